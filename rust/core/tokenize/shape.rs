//! Which tokenizers can be asked word by word, judged from `tokenizer.json` alone.
//!
//! [`Shape::read`] knows four kinds, and refuses everything it does not know, with the reason:
//!
//! - Unigram behind `Metaspace` (T5): white space only parts words.
//! - WordPiece behind `BertPreTokenizer` (BERT): likewise.
//! - BPE behind `ByteLevel` with its own expression (GPT-2): a word owns the single space before it.
//! - BPE behind a `Metaspace` that does not split (Mistral), where no piece holds a space after another character:
//!   likewise.

use serde_json::Value;

use super::unigram::Unigram;

/// What stands for a space inside pieces.
const META: char = '\u{2581}';

/// How words meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Glue {
    /// White space only parts words; runs of it count once, and not at all at the ends.
    Runs,
    /// A word owns the one space before it. Other white space is not understood.
    Single,
}

/// What the file says.
pub(super) struct Shape {
    /// The kind of its model, in the library's words.
    pub(super) model: &'static str,
    pub(super) glue: Glue,
    /// What marks an added token in a text. None of these holds white space.
    pub(super) added: Vec<String>,
    /// Whether decoding puts the pieces one after another and changes nothing but the mark of a space.
    pub(super) joins: bool,
    /// Cuts new words, where the model is of that kind.
    pub(super) unigram: Option<Unigram>,
}

impl Shape {
    /// The shape of a `tokenizer.json` of these bytes, or why it has none. Laying out a Unigram model's pieces takes
    /// most of its time.
    pub(super) fn read(bytes: &[u8]) -> Result<Shape, String> {
        let file: Value = serde_json::from_slice(bytes)
            .map_err(|e| format!("its file is not plain JSON ({e})"))?;
        let (glue, unigram) = match model(&file["model"]) {
            "Unigram" => (Glue::Runs, Some(unigram(&file)?)),
            "WordPiece" => {
                word_piece(&file)?;
                (Glue::Runs, None)
            }
            "BPE" => {
                bpe(&file)?;
                (Glue::Single, None)
            }
            other => return Err(format!("its model is `{other}`")),
        };
        Ok(Shape {
            model: model(&file["model"]),
            glue,
            added: added(&file)?,
            joins: joins(&file["decoder"]),
            unigram,
        })
    }
}

/// The kind of a model; files of old versions do not name it.
fn model(model: &Value) -> &'static str {
    match model["type"].as_str() {
        Some("BPE") => "BPE",
        Some("Unigram") => "Unigram",
        Some("WordPiece") => "WordPiece",
        None if model["merges"].is_array() => "BPE",
        None if model["vocab"].is_array() => "Unigram",
        None if model["max_input_chars_per_word"].is_number() => "WordPiece",
        _ => "WordLevel",
    }
}

/// The added tokens, all of which can only be met inside a word.
fn added(file: &Value) -> Result<Vec<String>, String> {
    let mut contents = Vec::new();
    for token in file["added_tokens"].as_array().into_iter().flatten() {
        let content = token["content"].as_str().unwrap_or_default();
        if content.contains(char::is_whitespace) {
            return Err(format!("its added token `{content}` holds white space"));
        }
        if token["normalized"] != false && !file["normalizer"].is_null() {
            return Err(format!(
                "its added token `{content}` is looked for in normalized text"
            ));
        }
        contents.push(content.to_owned());
    }
    Ok(contents)
}

/// The steps of a normalizer, pre-tokenizer or decoder: those of a sequence, itself, or none.
fn steps<'a>(part: &'a Value, list: &str) -> Vec<&'a Value> {
    match (part["type"].as_str(), part[list].as_array()) {
        (Some("Sequence"), Some(steps)) => steps.iter().collect(),
        _ if part.is_null() => Vec::new(),
        _ => vec![part],
    }
}

fn unigram(file: &Value) -> Result<Unigram, String> {
    let model = &file["model"];
    if !model["alpha"].is_null() || !model["nbest_size"].is_null() {
        return Err("its model draws its pieces at random".into());
    }
    if model["byte_fallback"] == true {
        return Err("its model falls back to bytes".into());
    }
    for step in steps(&file["normalizer"], "normalizers") {
        let known = match step["type"].as_str() {
            Some("Precompiled" | "Strip") => true,
            Some("Replace") => {
                step["pattern"]["Regex"] == " {2,}"
                    && (step["content"] == "\u{2581}" || step["content"] == " ")
            }
            _ => false,
        };
        if !known {
            return Err(format!("its normalizer has the step `{}`", brief(step)));
        }
    }
    let split = match steps(&file["pre_tokenizer"], "pretokenizers")[..] {
        [space, meta] if space["type"] == "WhitespaceSplit" => meta,
        [meta] => meta,
        _ => &Value::Null,
    };
    if !is_metaspace(split, true)
        || split["prepend_scheme"].as_str().unwrap_or("always") != "always"
    {
        return Err(format!(
            "its pre-tokenizer is `{}`",
            brief(&file["pre_tokenizer"])
        ));
    }
    let unknown = model["unk_id"]
        .as_u64()
        .and_then(|id| u32::try_from(id).ok());
    let Some(unknown) = unknown else {
        return Err("its model has no unknown piece".into());
    };
    let pieces = model["vocab"].as_array().map_or(&[][..], Vec::as_slice);
    let pieces: Option<Vec<(&str, f64)>> = pieces
        .iter()
        .map(|piece| Some((piece[0].as_str()?, piece[1].as_f64()?)))
        .collect();
    let pieces = pieces.ok_or("its vocabulary is not a list of pieces with scores")?;
    Ok(Unigram::new(&pieces, unknown))
}

fn word_piece(file: &Value) -> Result<(), String> {
    let normalizer = &file["normalizer"];
    if !normalizer.is_null() && normalizer["type"] != "BertNormalizer" {
        return Err(format!("its normalizer is `{}`", brief(normalizer)));
    }
    if file["pre_tokenizer"]["type"] != "BertPreTokenizer" {
        return Err(format!(
            "its pre-tokenizer is `{}`",
            brief(&file["pre_tokenizer"])
        ));
    }
    Ok(())
}

fn bpe(file: &Value) -> Result<(), String> {
    let model = &file["model"];
    if !model["dropout"].is_null() && model["dropout"] != 0.0 {
        return Err("its model drops merges at random".into());
    }
    for affix in ["continuing_subword_prefix", "end_of_word_suffix"] {
        if !model[affix].as_str().unwrap_or_default().is_empty() {
            return Err(format!("its model has a `{affix}`"));
        }
    }
    if !file["normalizer"].is_null() {
        return Err(format!(
            "its normalizer is `{}`",
            brief(&file["normalizer"])
        ));
    }
    let split = &file["pre_tokenizer"];
    if split["type"] == "ByteLevel" && split["use_regex"] != false {
        return Ok(());
    }
    if !is_metaspace(split, false) {
        return Err(format!("its pre-tokenizer is `{}`", brief(split)));
    }
    if model["ignore_merges"] == true {
        return Err("its model takes whole texts from the vocabulary".into());
    }
    let vocab = model["vocab"].as_object();
    let mut pieces = vocab.into_iter().flat_map(|vocab| vocab.keys());
    if let Some(piece) = pieces.find(|piece| piece.trim_start_matches(META).contains(META)) {
        return Err(format!("its piece `{piece}` reaches over a space"));
    }
    if vocab.is_none_or(|vocab| !vocab.contains_key("\u{2581}")) {
        return Err("its vocabulary has no piece for a space".into());
    }
    Ok(())
}

fn is_metaspace(split: &Value, splits: bool) -> bool {
    split["type"] == "Metaspace"
        && split["replacement"] == "\u{2581}"
        && split["split"].as_bool().unwrap_or(true) == splits
}

fn joins(decoder: &Value) -> bool {
    if decoder["type"] == "ByteLevel" {
        return true;
    }
    if decoder["type"] == "Metaspace" {
        return decoder["replacement"] == "\u{2581}"
            && decoder["prepend_scheme"].as_str().unwrap_or("always") != "never";
    }
    match steps(decoder, "decoders")[..] {
        [replace, bytes, fuse, strip] => {
            replace["type"] == "Replace"
                && replace["pattern"]["String"] == "\u{2581}"
                && replace["content"] == " "
                && bytes["type"] == "ByteFallback"
                && fuse["type"] == "Fuse"
                && strip["type"] == "Strip"
                && strip["content"] == " "
                && strip["start"] == 1
                && strip["stop"] == 0
        }
        _ => false,
    }
}

/// The beginning of a part of the file, for a reason.
fn brief(part: &Value) -> String {
    let text = part.to_string();
    let mut end = text.len().min(80);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

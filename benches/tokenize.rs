//! The word memo beside the library's batch function, in turn in one run, every id compared.
//!
//! With a folder of real recipes and tokenizers (`english_21k.jsonl.xz`, `tokenizers/t5` and others; named by
//! `CHEFGENIUS_BENCH_DATA`, else `../shared/data`) the figures are those of the targets; else the seeded corpus and the
//! bundled tokenizer are taken, which is said. On one thread its processor time counts, on several the wall clock.
//!
//! Where `CHEFGENIUS_BENCH_RC` names a Python interpreter that has another version of the library, and numpy, T5 is
//! measured beside that one too (`python/batch_ids.py`), one thread, its batch call warm.
#![allow(clippy::unwrap_used, reason = "a bench ends at the first surprise")]

mod common;

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use chefgenius::recipe::{Content, Recipe};
use chefgenius::text::{AsIs, Template};
use chefgenius::tokenize::{self, Counts, Encoder};
use common::{corpus, grouped, size};
use rustix::time::{ClockId, clock_gettime};
use serde_json::Value;
use tokenizers::utils::parallelism::set_parallelism;

/// Texts that the library gets in one call.
const BATCH: usize = 1000;
/// How often everything is measured, in turn; the best time of each counts. With `--quick` once.
const ROUNDS: usize = 3;

fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick" || argument == "--test");
    let rounds = if quick { 1 } else { ROUNDS };
    let (data, recipes) = match data() {
        Some(data) => {
            let recipes = real(&data.join("english_21k.jsonl.xz"));
            (Some(data), recipes)
        }
        None => {
            println!("real recipes are not at hand: the seeded corpus and the bundled tokenizer");
            (None, corpus::recipes(8192))
        }
    };
    let limit = if quick { 500 } else { recipes.len() };
    let template = Template::default();
    let pairs: Vec<_> = recipes
        .into_iter()
        .take(limit)
        .map(|recipe| template.render(&Content::Recipe(recipe), &mut AsIs))
        .collect();
    let texts: Vec<&str> = pairs
        .iter()
        .flat_map(|pair| [pair.prompt.as_str(), pair.target.as_str()])
        .collect();
    let bytes: usize = texts.iter().map(|text| text.len()).sum();
    println!(
        "tokenize: {} prompts and targets, {}",
        grouped(texts.len() as f64),
        size(bytes)
    );
    println!(
        "{:<12}{:>8}{:>16}{:>16}{:>9}{:>16}{:>9}  must reach",
        "tokenizer", "threads", "library MB/s", "first MB/s", "ratio", "warm MB/s", "ratio"
    );
    match data {
        Some(data) => {
            let of = |name: &str| data.join("tokenizers").join(name).join("tokenizer.json");
            let warm = measure("T5", &of("t5"), &texts, 1, rounds, "60, warm 150");
            if let Some(python) = std::env::var_os("CHEFGENIUS_BENCH_RC") {
                let (version, other) = by_python(&python, &of("t5"), &texts, rounds);
                println!(
                    "    tokenizers {version}, warm: {other:.1} MB/s; warm against it: {:.1}x  must reach 20",
                    warm / other
                );
            }
            measure("GPT-2", &of("gpt2"), &texts, 1, rounds, "");
            measure("GPT-2", &of("gpt2"), &texts, 2, rounds, "1.0 (aim 10)");
            measure("Mistral", &of("mistral"), &texts, 1, rounds, "");
            measure("BERT", &of("bert"), &texts, 1, rounds, "");
        }
        None => {
            measure("bundled", &common::tokenizer(), &texts, 1, rounds, "");
        }
    }
}

/// The folder of real recipes and tokenizers.
fn data() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let path = std::env::var_os("CHEFGENIUS_BENCH_DATA").map_or_else(beside, PathBuf::from);
    path.is_dir().then_some(path)
}

fn real(path: &Path) -> Vec<Recipe> {
    let strings = |list: &Value| {
        let list = list.as_array().unwrap().iter();
        list.map(|item| item.as_str().unwrap().to_owned()).collect()
    };
    BufReader::new(liblzma::read::XzDecoder::new(File::open(path).unwrap()))
        .lines()
        .map(|line| {
            let record: Value = serde_json::from_str(&line.unwrap()).unwrap();
            Recipe {
                title: record["title"].as_str().unwrap().to_owned(),
                ingredients: strings(&record["ingredients"]),
                directions: strings(&record["directions"]),
            }
        })
        .collect()
}

/// Prints a line of the table, and what the memo did below it. Returns the MB/s of the warm pass.
fn measure(
    name: &str,
    path: &Path,
    texts: &[&str],
    threads: usize,
    rounds: usize,
    target: &str,
) -> f64 {
    let bytes: usize = texts.iter().map(|text| text.len()).sum();
    let library = tokenizers::Tokenizer::from_file(path).unwrap();
    let tokenizer = tokenize::load(path).unwrap();
    let mut best = [f64::INFINITY; 3];
    let mut counts = Counts::default();
    let mut parts = vec![Ids::new(); threads];
    for _ in 0..rounds {
        let (seconds, expected) = by_library(&library, texts, threads);
        best[0] = best[0].min(seconds);
        let mut encoders: Vec<_> = (0..threads).map(|_| tokenizer.encoder().unwrap()).collect();
        for pass in &mut best[1..] {
            let seconds = by_encoders(&mut encoders, texts, &mut parts);
            *pass = pass.min(seconds);
            let same = parts.concat() == expected;
            assert!(same, "{name}: other ids than the library's");
            if counts.texts == 0 {
                encoders
                    .iter()
                    .for_each(|encoder| counts.add(&encoder.counts()));
            }
        }
    }
    let [library, first, warm] = best.map(|seconds| bytes as f64 / seconds / 1e6);
    println!(
        "{name:<12}{threads:>8}{library:>16.1}{first:>16.1}{:>8.1}x{warm:>16.1}{:>8.1}x  {target}",
        first / library,
        warm / library,
    );
    println!("    {}; first pass: {counts:?}", tokenizer.method());
    warm
}

/// The version of an interpreter's library, and the MB/s of its batch call on one thread once it knows the texts.
fn by_python(python: &OsStr, path: &Path, texts: &[&str], rounds: usize) -> (String, f64) {
    let dir = tempfile::tempdir().unwrap();
    let (given, out) = (dir.path().join("texts.json"), dir.path().join("ids.npy"));
    std::fs::write(&given, serde_json::to_vec(texts).unwrap()).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/python/batch_ids.py");
    let done = Command::new(python)
        .args([script.as_path(), path, given.as_path(), out.as_path()])
        .args(["--rounds", &(rounds + 1).to_string()])
        .envs([
            ("RAYON_NUM_THREADS", "1"),
            ("TOKENIZERS_PARALLELISM", "false"),
        ])
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", done.status);
    let told: Value = serde_json::from_slice(&done.stdout).unwrap();
    let seconds = told["within"].as_array().unwrap()[1..].iter();
    let least = seconds
        .map(|s| s.as_f64().unwrap())
        .fold(f64::INFINITY, f64::min);
    let bytes: usize = texts.iter().map(|text| text.len()).sum();
    (
        told["version"].as_str().unwrap().to_owned(),
        bytes as f64 / least / 1e6,
    )
}

/// Seconds since some moment: of this thread's own time where it works alone, else of the wall clock.
fn seconds(threads: usize) -> f64 {
    let clock = if threads == 1 {
        ClockId::ThreadCPUTime
    } else {
        ClockId::Monotonic
    };
    let time = clock_gettime(clock);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// All ids, one text after another.
type Ids = Vec<u32>;

fn by_library(library: &tokenizers::Tokenizer, texts: &[&str], threads: usize) -> (f64, Ids) {
    set_parallelism(threads > 1);
    let mut ids = Vec::new();
    let begin = seconds(threads);
    for batch in texts.chunks(BATCH) {
        let encodings = library.encode_batch_fast(batch.to_vec(), false).unwrap();
        for encoding in encodings {
            ids.extend_from_slice(encoding.get_ids());
        }
    }
    (seconds(threads) - begin, ids)
}

/// Each encoder takes its share of the texts, on a thread of its own where there are several.
fn by_encoders(encoders: &mut [Box<dyn Encoder + '_>], texts: &[&str], parts: &mut [Ids]) -> f64 {
    let threads = encoders.len();
    let share = texts.len().div_ceil(threads);
    let running = encoders.iter_mut().zip(texts.chunks(share)).zip(parts);
    let begin = seconds(threads);
    thread::scope(|scope| {
        for ((encoder, texts), ids) in running {
            let mut work = move || {
                ids.clear();
                for text in texts {
                    encoder.encode(text, ids).unwrap();
                }
            };
            match threads {
                1 => work(),
                _ => drop(scope.spawn(work)),
            }
        }
    });
    seconds(threads) - begin
}

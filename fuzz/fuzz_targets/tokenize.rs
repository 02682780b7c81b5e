//! Any string gets the library's ids, from each kind of tokenizer that has a word memo. The encoders live on, so what
//! was learned from one string has to hold in all later ones.
#![no_main]
#![allow(clippy::unwrap_used, reason = "a finding is a panic")]

#[path = "../../tests/tokenize/made.rs"]
mod made;

use std::cell::RefCell;
use std::path::Path;

use chefgenius::tokenize::Encoder;
use libfuzzer_sys::fuzz_target;
use made::{Both, byte_level, metaspace_bpe, unigram, word_piece};

struct Subject {
    both: &'static Both,
    encoder: Box<dyn Encoder>,
}

fn subjects() -> Vec<Subject> {
    let bundled =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../python/chefgenius/cookbook/tokenizer.json");
    let made = [unigram(), byte_level(), metaspace_bpe(), word_piece()];
    let mut all: Vec<Both> = made.iter().map(Both::of).collect();
    all.push(Both::load(&bundled));
    let all: &'static [Both] = all.leak();
    all.iter()
        .map(|both| {
            assert_eq!(both.ours.method(), "word memo");
            let encoder = both.ours.encoder().unwrap();
            Subject { both, encoder }
        })
        .collect()
}

thread_local! {
    static SUBJECTS: RefCell<Vec<Subject>> = RefCell::new(subjects());
}

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    SUBJECTS.with_borrow_mut(|subjects| {
        for subject in subjects {
            subject.both.check(subject.encoder.as_mut(), &text);
        }
    });
});

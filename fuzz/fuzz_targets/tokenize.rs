//! Any string gets the library's ids, from each kind of tokenizer that has a word memo. The encoders live on, so what
//! was learned from one string has to hold in all later ones.
#![no_main]
#![allow(clippy::unwrap_used, reason = "a finding is a panic")]

#[path = "../../tests/tokenize/made.rs"]
mod made;

use std::cell::RefCell;
use std::path::Path;
use std::sync::LazyLock;

use chefgenius::tokenize::Encoder;
use libfuzzer_sys::fuzz_target;
use made::{Both, byte_level, metaspace_bpe, unigram, word_piece};

/// Each kind that has a word memo.
static ALL: LazyLock<Vec<Both>> = LazyLock::new(|| {
    let bundled =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../python/chefgenius/cookbook/tokenizer.json");
    let made = [unigram(), byte_level(), metaspace_bpe(), word_piece()];
    let mut all: Vec<Both> = made.iter().map(Both::of).collect();
    all.push(Both::load(&bundled));
    assert!(all.iter().all(|both| both.ours.method() == "word memo"));
    all
});

thread_local! {
    static ENCODERS: RefCell<Vec<Box<dyn Encoder>>> =
        RefCell::new(ALL.iter().map(|both| both.ours.encoder().unwrap()).collect());
}

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    ENCODERS.with_borrow_mut(|encoders| {
        for (both, encoder) in ALL.iter().zip(encoders) {
            both.check(encoder.as_mut(), &text);
        }
    });
});

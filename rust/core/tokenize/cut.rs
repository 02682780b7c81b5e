//! Where the words of a text end: white space, found 64 bytes at a time.

/// Bytes that are looked through before their words are looked up.
const SEGMENT: usize = 2048;
const BLOCK: usize = 64;
/// A block mostly has no more ends than these, which are written without asking whether there are so many.
const USUAL: usize = 14;

/// The ends of the words of a part of a text.
pub(super) struct Ends {
    places: Vec<u32>,
    count: usize,
}

impl Ends {
    pub(super) fn new() -> Self {
        Ends {
            places: vec![0; SEGMENT],
            count: 0,
        }
    }

    /// Where words end, in ascending order: the places of separators, and the text's length at last.
    pub(super) fn places(&self) -> &[u32] {
        &self.places[..self.count]
    }

    /// Finds the ends from `at` on, moves `at` behind what was looked at, and says whether all of them are spaces.
    /// A text has under 4 GB, and is looked through once `at` is beyond its length.
    pub(super) fn find(
        &mut self,
        text: &[u8],
        at: &mut usize,
        separates: impl Fn(u8) -> bool,
    ) -> bool {
        let mut only_spaces = true;
        self.count = 0;
        for places in 0..SEGMENT / BLOCK {
            if *at > text.len() {
                break;
            }
            let (mut ends, odd) = ends_from(text, *at);
            if odd != 0 {
                ends &= !not_separating(text, *at, odd, &separates);
                only_spaces &= ends & odd == 0;
            }
            debug_assert!(self.count <= places * BLOCK);
            self.write(*at, ends);
            *at += BLOCK;
        }
        only_spaces
    }

    #[inline(always)]
    fn write(&mut self, at: usize, mut ends: u64) {
        let count = self.count;
        self.count += ends.count_ones() as usize;
        let Some(places) = self.places[count..].first_chunk_mut::<BLOCK>() else {
            return;
        };
        for place in &mut places[..USUAL] {
            // The highest bit makes it plain that there is one.
            *place = at as u32 + (ends | 1 << 63).trailing_zeros();
            ends &= ends.wrapping_sub(1);
        }
        for place in &mut places[USUAL..] {
            if ends == 0 {
                break;
            }
            *place = at as u32 + ends.trailing_zeros();
            ends &= ends - 1;
        }
    }
}

/// Which of these bits stand for bytes that do not part words.
#[cold]
fn not_separating(text: &[u8], at: usize, mut bits: u64, separates: &impl Fn(u8) -> bool) -> u64 {
    let mut found = 0;
    while bits != 0 {
        let place = bits.trailing_zeros();
        bits &= bits - 1;
        let byte = text.get(at + place as usize);
        found |= u64::from(byte.is_some_and(|&byte| !separates(byte))) << place;
    }
    found
}

/// Which of the 64 bytes from `at` on are a space or a control character, the first byte's bit the lowest, and which
/// of these are no space. Where the text ends among them, its end is a bit too, for it ends a word.
#[inline(always)]
fn ends_from(text: &[u8], at: usize) -> (u64, u64) {
    let rest = &text[at..];
    match rest.first_chunk() {
        Some(block) => white(block),
        None => {
            let mut block = [b' '; BLOCK];
            block[..rest.len()].copy_from_slice(rest);
            let (ends, odd) = white(&block);
            (ends & (u64::MAX >> (BLOCK - 1 - rest.len())), odd)
        }
    }
}

/// Which of 64 bytes are a space or a control character, and which a control character.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
#[allow(unsafe_code, reason = "the one call of what needs SSE2")]
fn white(block: &[u8; BLOCK]) -> (u64, u64) {
    // SAFETY: every x86-64 processor has SSE2, and that is all that is asked for; nothing else is unsafe in it.
    unsafe { by_sixteen(block) }
}

/// [`white`], sixteen bytes at a time.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "sse2")]
fn by_sixteen(block: &[u8; BLOCK]) -> (u64, u64) {
    use std::arch::x86_64::{_mm_cmpeq_epi8, _mm_min_epu8, _mm_movemask_epi8, _mm_set1_epi8};

    let space = _mm_set1_epi8(0x20);
    let (mut white, mut spaces) = (0, 0);
    for (place, bytes) in block.as_chunks::<16>().0.iter().enumerate() {
        let bytes = bytemuck::cast(*bytes);
        let no_more = _mm_cmpeq_epi8(_mm_min_epu8(bytes, space), bytes);
        let is_space = _mm_cmpeq_epi8(bytes, space);
        white |= u64::from(_mm_movemask_epi8(no_more) as u16) << (16 * place);
        spaces |= u64::from(_mm_movemask_epi8(is_space) as u16) << (16 * place);
    }
    (white, white & !spaces)
}

/// Which of 64 bytes are a space or a control character, and which a control character.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn white(block: &[u8; BLOCK]) -> (u64, u64) {
    portable(block)
}

/// [`white`] in plain arithmetic.
#[cfg(any(test, not(target_arch = "x86_64")))]
#[inline(always)]
fn portable(block: &[u8; BLOCK]) -> (u64, u64) {
    const LOW: u64 = 0x7F7F_7F7F_7F7F_7F7F;
    const HIGH: u64 = !LOW;
    // Added to seven bits, these set the eighth from ` ` and from `!` on.
    const FROM_SPACE: u64 = 0x6060_6060_6060_6060;
    const FROM_GRAPHIC: u64 = 0x5F5F_5F5F_5F5F_5F5F;
    // Moves the high bit of byte n to bit n of the highest byte.
    const GATHER: u64 = 0x0002_0408_1020_4081;
    let (mut white, mut odd) = (0, 0);
    for (place, bytes) in block.as_chunks::<8>().0.iter().enumerate() {
        let bytes = u64::from_le_bytes(*bytes);
        let below = |from: u64| {
            let bits = !(((bytes & LOW) + from) | bytes) & HIGH;
            (bits.wrapping_mul(GATHER) >> 56) << (8 * place)
        };
        white |= below(FROM_GRAPHIC);
        odd |= below(FROM_SPACE);
    }
    (white, odd)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Byte by byte.
    fn naive(text: &[u8], separates: impl Fn(u8) -> bool) -> Vec<u32> {
        let places = (0..text.len()).filter(|&place| separates(text[place]));
        places
            .chain([text.len()])
            .map(|place| place as u32)
            .collect()
    }

    fn found(text: &[u8], separates: impl Fn(u8) -> bool) -> (Vec<u32>, bool) {
        let (mut ends, mut at) = (Ends::new(), 0);
        let (mut all, mut only_spaces) = (Vec::new(), true);
        while at <= text.len() {
            only_spaces &= ends.find(text, &mut at, &separates);
            all.extend_from_slice(ends.places());
        }
        (all, only_spaces)
    }

    #[test]
    fn white_bytes_are_found() {
        for byte in 0..=255 {
            for place in 0..BLOCK {
                let mut block = [b'x'; BLOCK];
                block[place] = byte;
                let bit = |is: bool| u64::from(is) << place;
                let expected = (bit(byte <= b' '), bit(byte < b' '));
                assert_eq!(white(&block), expected, "{byte} at {place}");
                assert_eq!(portable(&block), expected, "{byte} at {place}");
            }
        }
    }

    #[test]
    fn every_length_has_its_end() {
        for length in (0..200)
            .chain(SEGMENT - 70..SEGMENT + 70)
            .chain([3 * SEGMENT])
        {
            for byte in [b'x', b' '] {
                let text = vec![byte; length];
                let (ends, only_spaces) = found(&text, |byte| byte == b' ');
                assert_eq!(ends, naive(&text, |byte| byte == b' '));
                assert!(only_spaces);
            }
        }
    }

    proptest! {
        #[test]
        fn ends_are_those_of_a_loop(text in prop::collection::vec(prop::sample::select(b"abc   \n\t\0\xC3".as_slice()), 0..5000)) {
            let separates = |byte| byte == b' ' || byte == b'\n';
            let (ends, only_spaces) = found(&text, separates);
            prop_assert_eq!(ends, naive(&text, separates));
            prop_assert_eq!(only_spaces, !text.contains(&b'\n'));
        }
    }
}

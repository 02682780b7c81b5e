//! Memory of many owners, copied into one block while training waits: as fast as the machine's memory takes it.
//!
//! Every byte passes by once. So it is written around the cache, which otherwise reads each line before it is
//! overwritten, and by more than one thread, since one core alone does not fill the channels to the memory.

use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::error::{Error, Result};

/// Bytes that a thread copies before it asks for more.
const PIECE: usize = 1 << 20;
/// More threads than this fill no more of the memory's bandwidth.
const MOST_THREADS: usize = 4;
/// Bytes for which it is worth to start a thread.
const A_THREAD: usize = 16 << 20;

/// Copies each part to its place in `memory`; the places rise, and nothing between them changes.
///
/// Errors: [`Error::Argument`] where a part starts before the one before it ends, or ends beyond the memory; nothing
/// is copied then.
pub fn fill(memory: &mut [u8], parts: &[(usize, &[u8])]) -> Result<()> {
    let (mut rest, mut begin, mut pieces) = (memory, 0, Vec::new());
    let mut total = 0;
    for &(place, part) in parts {
        let between = place.checked_sub(begin);
        let free =
            between.and_then(|between| std::mem::take(&mut rest).split_at_mut_checked(between));
        let Some((into, after)) = free.and_then(|(_, free)| free.split_at_mut_checked(part.len()))
        else {
            return Err(Error::Argument {
                name: "parts",
                reason: format!("that of {} bytes at {place} does not fit there", part.len()),
            });
        };
        pieces.extend(into.chunks_mut(PIECE).zip(part.chunks(PIECE)));
        (rest, begin, total) = (after, place + part.len(), total + part.len());
    }
    let most = thread::available_parallelism()
        .map_or(1, usize::from)
        .min(MOST_THREADS);
    let pieces = Mutex::new(pieces.into_iter());
    let next = || pieces.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        while let Some((into, from)) = next() {
            copy(into, from);
        }
    };
    thread::scope(|scope| {
        for _ in 1..most.min(1 + total / A_THREAD) {
            // Where the system has no thread to give, the others do its share.
            drop(thread::Builder::new().spawn_scoped(scope, work));
        }
        work();
    });
    Ok(())
}

/// Copies bytes to as many, past the cache.
#[cfg(target_arch = "x86_64")]
#[allow(
    unsafe_code,
    reason = "the one call of what needs SSE2, and of what sees bytes as blocks of them"
)]
fn copy(into: &mut [u8], from: &[u8]) {
    use std::arch::x86_64::__m128i;

    // SAFETY: any sixteen bytes are an `__m128i`.
    let (head, blocks, tail) = unsafe { into.align_to_mut::<__m128i>() };
    let (first, from) = from.split_at(head.len());
    let (middle, last) = from.split_at(size_of_val(blocks));
    head.copy_from_slice(first);
    // SAFETY: every x86-64 processor has SSE2, and that is all that is asked for.
    unsafe { stream(blocks, middle) };
    tail.copy_from_slice(last);
}

/// Copies sixteen bytes to each of the blocks.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "sse2")]
fn stream(blocks: &mut [std::arch::x86_64::__m128i], from: &[u8]) {
    use std::arch::x86_64::{_mm_sfence, _mm_stream_si128};

    for (block, bytes) in blocks.iter_mut().zip(from.as_chunks::<16>().0) {
        // SAFETY: the reference is aligned and alone.
        #[expect(unsafe_code, reason = "a store past the cache takes a pointer")]
        unsafe {
            _mm_stream_si128(block, bytemuck::cast(*bytes));
        }
    }
    _mm_sfence(); // before another thread is told that the bytes are there
}

/// Copies bytes to as many.
#[cfg(not(target_arch = "x86_64"))]
fn copy(into: &mut [u8], from: &[u8]) {
    into.copy_from_slice(from);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_loop_of_copies(
            parts in prop::collection::vec((0usize..70, prop::collection::vec(any::<u8>(), 0..200)), 0..20),
            before in 0usize..20,
            after in 0usize..20,
        ) {
            let (mut placed, mut end) = (Vec::new(), before);
            for (gap, part) in &parts {
                placed.push((end + gap, part.as_slice()));
                end += gap + part.len();
            }
            let mut expected = vec![7; end + after];
            let mut memory = expected.clone();
            for (place, part) in &placed {
                expected[*place..place + part.len()].copy_from_slice(part);
            }
            fill(&mut memory, &placed)?;
            prop_assert_eq!(memory, expected);
        }
    }

    #[test]
    fn much_is_copied_by_several_threads() -> Result<()> {
        let all: Vec<u8> = (0..3 * A_THREAD as u32 + 5)
            .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect();
        let (one, other) = all.split_at(A_THREAD + 3);
        let mut memory = vec![0; all.len() + 1];
        fill(&mut memory, &[(1, one), (1 + one.len(), other)])?;
        assert!(memory[1..] == all);
        Ok(())
    }

    #[test]
    fn parts_that_do_not_fit_are_refused() {
        for parts in [
            &[(0, &[1; 5][..])][..],
            &[(2, &[1; 3])],
            &[(5, &[])],
            &[(0, &[1; 2]), (1, &[1])],
            &[(2, &[1]), (0, &[1])],
            &[(usize::MAX, &[1; 2])],
        ] {
            let mut memory = [0; 4];
            assert!(fill(&mut memory, parts).is_err(), "{parts:?}");
            assert_eq!(memory, [0; 4]);
        }
    }
}

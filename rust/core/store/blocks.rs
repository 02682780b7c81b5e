//! Checksums of a file's 64 KiB blocks, each checked once on first touch.

use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::error::{Error, Result};

/// The size of a block in bytes; the last one of a file may be shorter.
pub const BLOCK: usize = 64 << 10;

/// Takes a file piece by piece and gives the checksum of each block.
#[derive(Default)]
pub struct BlockHasher {
    hashes: Vec<u64>,
    open: Xxh3,
    /// Bytes of the open block.
    filled: usize,
}

impl BlockHasher {
    /// Takes the next bytes of the file.
    pub fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(BLOCK - self.filled));
            self.open.update(now);
            self.filled += now.len();
            bytes = later;
            if self.filled == BLOCK {
                self.end_block();
            }
        }
    }

    fn end_block(&mut self) {
        self.hashes.push(self.open.digest());
        self.open.reset();
        self.filled = 0;
    }

    /// The checksums of all blocks.
    pub fn finish(mut self) -> Vec<u64> {
        if self.filled > 0 {
            self.end_block();
        }
        self.hashes
    }
}

/// What each block of a file must hash to, and which ones were found to.
pub struct Blocks {
    hashes: Vec<u64>,
    checked: Vec<AtomicU64>,
}

impl Blocks {
    /// `None` where the table does not fit a file of `bytes` bytes.
    pub fn new(hashes: Vec<u64>, bytes: usize) -> Option<Self> {
        (hashes.len() == bytes.div_ceil(BLOCK)).then(|| Blocks {
            checked: (0..hashes.len().div_ceil(64))
                .map(|_| AtomicU64::new(0))
                .collect(),
            hashes,
        })
    }

    /// Checks the blocks that hold `range` of `file`, each only the first time. Two threads may check
    /// the same block at once, which is harmless. Errors: a block was changed on the disk.
    pub fn check(&self, file: &[u8], range: Range<usize>, path: &Path) -> Result<()> {
        if range.is_empty() {
            return Ok(());
        }
        for block in range.start / BLOCK..=(range.end - 1) / BLOCK {
            let bit = 1 << (block % 64);
            if self.checked[block / 64].load(Ordering::Relaxed) & bit == 0 {
                self.check_block(file, block, path)?;
                self.checked[block / 64].fetch_or(bit, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    /// Checks every block, also those that were checked before.
    pub fn check_all(&self, file: &[u8], path: &Path) -> Result<()> {
        (0..self.hashes.len()).try_for_each(|block| self.check_block(file, block, path))
    }

    fn check_block(&self, file: &[u8], block: usize, path: &Path) -> Result<()> {
        let from = block * BLOCK;
        let to = (from + BLOCK).min(file.len());
        if xxh3_64(&file[from..to]) == self.hashes[block] {
            return Ok(());
        }
        Err(Error::damaged(
            path,
            format!("its bytes {from} to {to} do not match their checksum"),
        ))
    }
}

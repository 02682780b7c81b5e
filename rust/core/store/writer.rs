//! Building a store: shards in a temporary directory, then one rename.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde::Serialize;

use crate::durable::sync;
use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;
use crate::store::blocks::BlockHasher;
use crate::store::buffer::{NewRecord, ShardBuffer};
use crate::store::lock::Lock;
use crate::store::manifest::{Manifest, SCHEMA, ShardPart, TextPart, TokenizerPart};
use crate::store::origin::Origin;
use crate::store::syncing::Syncing;
use crate::store::{CURRENT, TOKENIZER, TokenStore, sealed};

/// Ids in a shard before the next one is begun: 32 MB of u16.
const SHARD_TOKENS: usize = 16 << 20;
/// Records likewise: 64 MB of what else is known of them.
const SHARD_RECORDS: usize = 1 << 20;
/// A shard is hashed and written this much at a time, which a cache holds.
const PIECE: usize = 1 << 20;
const TEMPORARY: &str = ".building";

/// Fills a new store. Until [`publish`](Self::publish) nothing of it can be seen; dropped before
/// that, it leaves nothing behind; killed before that, it leaves what the next writer takes away.
pub struct StoreWriter {
    lock: Arc<Lock>,
    temporary: PathBuf,
    tokenizer: TokenizerPart,
    unk_id: Option<u32>,
    text: TextPart,
    buffer: ShardBuffer,
    shards: Vec<ShardPart>,
    hashes: Vec<u64>,
    syncing: Syncing,
    records: u64,
    tokens: u64,
    unknown_tokens: u64,
}

impl StoreWriter {
    /// Begins, with a copy of the `tokenizer.json` that `tokenizer` names.
    pub fn begin(
        lock: Arc<Lock>,
        tokenizer: TokenizerPart,
        tokenizer_json: &[u8],
        unk_id: Option<u32>,
        text: TextPart,
    ) -> Result<Self> {
        // Whoever holds the lock is alone: what lies here was left by one that was killed.
        let temporary = lock.out().join(TEMPORARY);
        remove_dir(&temporary)?;
        fs::create_dir(&temporary).map_err(|e| Error::io(&temporary, "create", e))?;
        let mut writer = StoreWriter {
            buffer: ShardBuffer::new(tokenizer.vocab_size),
            lock,
            temporary,
            tokenizer,
            unk_id,
            text,
            shards: Vec::new(),
            hashes: Vec::new(),
            syncing: Syncing::default(),
            records: 0,
            tokens: 0,
            unknown_tokens: 0,
        };
        let copy = writer.temporary.join(TOKENIZER);
        writer.syncing.write(copy, tokenizer_json)?;
        Ok(writer)
    }

    /// Adds a record at the end.
    pub fn push<I: AsRef<[u32]>>(&mut self, record: &NewRecord<I>) -> Result<()> {
        for ids in [record.prompt.as_ref(), record.target.as_ref()] {
            self.tokens += ids.len() as u64;
            self.unknown_tokens += match self.unk_id {
                Some(unknown) => ids.iter().filter(|&&id| id == unknown).count() as u64,
                None => 0,
            };
        }
        self.records += 1;
        self.buffer.push(record);
        if self.buffer.tokens() >= SHARD_TOKENS || self.buffer.records() >= SHARD_RECORDS {
            self.write_shard()?;
        }
        Ok(())
    }

    fn write_shard(&mut self) -> Result<()> {
        let name = format!("shard-{:05}.safetensors", self.shards.len());
        let path = self.temporary.join(&name);
        let failed = |e| Error::io(&path, "write", e);
        let (header, columns) = self.buffer.parts().map_err(failed)?;
        let mut file = Hashed::create(&path).map_err(failed)?;
        file.write(&header).map_err(failed)?;
        for column in columns {
            file.write(column).map_err(failed)?;
        }
        let (bytes, blake3, hashes) = file.finish();
        self.syncing.send(path)?;
        self.hashes.extend(hashes);
        self.shards.push(ShardPart {
            file: name,
            bytes,
            records: self.buffer.records() as u64,
            blake3,
        });
        self.buffer.clear();
        Ok(())
    }

    fn write_sealed<T: Serialize>(&mut self, name: &str, value: &T) -> Result<Fingerprint> {
        let path = self.temporary.join(name);
        let (text, fingerprint) = sealed::seal(&path, value)?;
        self.syncing.write(path, text.as_bytes())?;
        Ok(fingerprint)
    }

    /// Writes the rest, makes the store visible by one rename and `current` name it. Where a store of
    /// this content lies already, that one is verified and kept, or set aside when it is bad.
    pub fn publish(mut self, origin: &Origin) -> Result<TokenStore> {
        if self.buffer.records() > 0 {
            self.write_shard()?;
        }
        let table: Vec<u8> = self.hashes.iter().flat_map(|h| h.to_le_bytes()).collect();
        self.syncing
            .write(self.temporary.join("blocks.bin"), &table)?;
        self.write_sealed("origin.json", origin)?;
        let manifest = Manifest {
            schema: SCHEMA.into(),
            records: self.records,
            tokens: self.tokens,
            unknown_tokens: self.unknown_tokens,
            tokenizer: self.tokenizer.clone(),
            text: self.text.clone(),
            shards: std::mem::take(&mut self.shards),
            blocks: Fingerprint::of(&table),
        };
        let fingerprint = self.write_sealed("manifest.json", &manifest)?;
        self.syncing.wait()?;
        sync(&self.temporary)?;

        let name = format!("store-{}", &fingerprint.hex()[..16]);
        let out = self.lock.out();
        let target = out.join(&name);
        if !self.rename_to(&target)? {
            match TokenStore::open(&target).and_then(|store| store.verify()) {
                // The same records from other sources: the newer origin is the one to keep.
                Ok(()) => {
                    replace(
                        &self.temporary.join("origin.json"),
                        &target.join("origin.json"),
                    )?;
                    sync(&target)?;
                }
                Err(Error::Store { .. } | Error::NotFound { .. }) => {
                    set_aside(&target)?;
                    if !self.rename_to(&target)? {
                        return Err(Error::damaged(
                            &target,
                            "it came back while it was replaced",
                        ));
                    }
                }
                Err(e) => return Err(e),
            }
        }
        sync(out)?;
        self.lock.replace(CURRENT, format!("{name}\n").as_bytes())?;
        TokenStore::open(&target)
    }

    /// False where the target exists.
    fn rename_to(&self, target: &Path) -> Result<bool> {
        match renameat_with(CWD, &self.temporary, CWD, target, RenameFlags::NOREPLACE) {
            Ok(()) => Ok(true),
            Err(rustix::io::Errno::EXIST) => Ok(false),
            Err(e) => Err(Error::io(target, "publish", e.into())),
        }
    }
}

impl Drop for StoreWriter {
    fn drop(&mut self) {
        // After a publication there is nothing left; before one, this is tidiness: what cannot be
        // removed here is removed by the next writer, which reports it if that fails too.
        drop(remove_dir(&self.temporary));
    }
}

/// A file that is hashed while it is written.
struct Hashed {
    file: File,
    whole: blake3::Hasher,
    blocks: BlockHasher,
}

impl Hashed {
    fn create(path: &Path) -> io::Result<Self> {
        Ok(Hashed {
            file: File::create(path)?,
            whole: blake3::Hasher::new(),
            blocks: BlockHasher::default(),
        })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        for piece in bytes.chunks(PIECE) {
            self.whole.update_rayon(piece);
            self.blocks.update(piece);
            self.file.write_all(piece)?;
        }
        Ok(())
    }

    /// Its size, its name and its blocks' checksums.
    fn finish(self) -> (u64, Fingerprint, Vec<u64>) {
        let name = Fingerprint::of_hash(&self.whole.finalize());
        (self.whole.count(), name, self.blocks.finish())
    }
}

fn set_aside(store: &Path) -> Result<()> {
    for n in 1.. {
        let aside = store.with_extension(format!("bad-{n}"));
        match renameat_with(CWD, store, CWD, &aside, RenameFlags::NOREPLACE) {
            Ok(()) => break,
            Err(rustix::io::Errno::EXIST) => continue,
            Err(e) => return Err(Error::io(store, "set aside", e.into())),
        }
    }
    Ok(())
}

fn replace(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).map_err(|e| Error::io(to, "replace", e))
}

fn remove_dir(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Error::io(path, "remove", e)),
        _ => Ok(()),
    }
}

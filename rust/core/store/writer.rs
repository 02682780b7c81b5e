//! Building a store: shards in a temporary directory, then one rename.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::error::{Error, Result};
use crate::fingerprint::{Fingerprint, sync};
use crate::store::blocks::hash_blocks;
use crate::store::buffer::{NewRecord, ShardBuffer};
use crate::store::manifest::{Manifest, Origin, SCHEMA, ShardPart, TextPart, TokenizerPart};
use crate::store::{CURRENT, TokenStore, sealed};

/// Ids in a shard before the next one is begun: 64 MB of u16.
const SHARD_TOKENS: usize = 32 << 20;
const TEMPORARY: &str = ".building";

/// Fills a new store. Until [`publish`](Self::publish) nothing of it can be seen; dropped before
/// that, it leaves nothing behind; killed before that, it leaves what the next writer takes away.
pub struct StoreWriter {
    out: PathBuf,
    temporary: PathBuf,
    tokenizer: TokenizerPart,
    unk_id: Option<u32>,
    text: TextPart,
    buffer: ShardBuffer,
    shards: Vec<ShardPart>,
    hashes: Vec<u64>,
    records: u64,
    tokens: u64,
    unknown_tokens: u64,
    /// Held until the writer goes: one writer at a time in `out`.
    _lock: File,
}

impl StoreWriter {
    /// Waits for other writers in `out` to end, then begins. Makes `out` where it is missing.
    pub fn begin(
        out: &Path,
        tokenizer: TokenizerPart,
        unk_id: Option<u32>,
        text: TextPart,
    ) -> Result<Self> {
        fs::create_dir_all(out).map_err(|e| Error::io(out, "create", e))?;
        let lock_path = out.join(".lock");
        let lock = File::create(&lock_path).map_err(|e| Error::io(&lock_path, "create", e))?;
        lock.lock().map_err(|e| Error::io(&lock_path, "lock", e))?;
        // Whoever holds the lock is alone: what lies here was left by one that was killed.
        let temporary = out.join(TEMPORARY);
        remove_dir(&temporary)?;
        fs::create_dir(&temporary).map_err(|e| Error::io(&temporary, "create", e))?;
        Ok(StoreWriter {
            out: out.to_owned(),
            temporary,
            tokenizer,
            unk_id,
            text,
            buffer: ShardBuffer::default(),
            shards: Vec::new(),
            hashes: Vec::new(),
            records: 0,
            tokens: 0,
            unknown_tokens: 0,
            _lock: lock,
        })
    }

    /// Adds a record at the end.
    pub fn push(&mut self, record: &NewRecord) -> Result<()> {
        let ids = || record.prompt.iter().chain(&record.target);
        self.records += 1;
        self.tokens += ids().count() as u64;
        self.unknown_tokens += ids().filter(|&&id| Some(id) == self.unk_id).count() as u64;
        self.buffer.push(record);
        if self.buffer.tokens() >= SHARD_TOKENS {
            self.write_shard()?;
        }
        Ok(())
    }

    fn write_shard(&mut self) -> Result<()> {
        let buffer = std::mem::take(&mut self.buffer);
        let records = buffer.records() as u64;
        let file = format!("shard-{:05}.safetensors", self.shards.len());
        let path = self.temporary.join(&file);
        let bytes = buffer
            .serialize(self.tokenizer.vocab_size > 1 << 16)
            .map_err(|e| Error::damaged(&path, e.to_string()))?;
        write_through(&path, &bytes)?;
        self.hashes.extend(hash_blocks(&bytes));
        self.shards.push(ShardPart {
            file,
            bytes: bytes.len() as u64,
            records,
            blake3: Fingerprint::of(&bytes),
        });
        Ok(())
    }

    /// Writes the rest, makes the store visible by one rename and `current` name it. Where a store of
    /// this content lies already, that one is verified and kept, or set aside when it is bad.
    pub fn publish(mut self, origin: &Origin) -> Result<TokenStore> {
        if self.buffer.records() > 0 {
            self.write_shard()?;
        }
        let table: Vec<u8> = self.hashes.iter().flat_map(|h| h.to_le_bytes()).collect();
        write_through(&self.temporary.join("blocks.bin"), &table)?;
        sealed::write(&self.temporary.join("origin.json"), origin)?;
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
        let fingerprint = sealed::write(&self.temporary.join("manifest.json"), &manifest)?;
        sync(&self.temporary)?;

        let name = format!("store-{}", &fingerprint.hex()[..16]);
        let target = self.out.join(&name);
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
        sync(&self.out)?;
        let pointer = self.out.join(".current.new");
        write_through(&pointer, format!("{name}\n").as_bytes())?;
        replace(&pointer, &self.out.join(CURRENT))?;
        sync(&self.out)?;
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

fn write_through(path: &Path, bytes: &[u8]) -> Result<()> {
    File::create(path)
        .and_then(|mut file| file.write_all(bytes))
        .map_err(|e| Error::io(path, "write", e))?;
    sync(path)
}

fn remove_dir(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io(path, "remove", e)),
        _ => Ok(()),
    }
}

//! Opening a file: which compression its first bytes tell, and a reader of what is inside.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::path::Path;

use crate::error::{Error, Result};

use super::Compression;

/// Opens `path` and reads its magic bytes. The file's name has no say in it.
pub(super) fn compression(path: &Path) -> Result<Compression> {
    let mut file = open_file(path)?;
    let mut magic = Vec::with_capacity(6);
    Read::by_ref(&mut file)
        .take(6)
        .read_to_end(&mut magic)
        .map_err(|e| Error::io(path, "read", e))?;
    Ok(match magic.as_slice() {
        [0x1f, 0x8b, ..] => Compression::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Compression::Zstd,
        [0xfd, b'7', b'z', b'X', b'Z', 0] => Compression::Xz,
        _ => Compression::None,
    })
}

/// A reader of the unpacked bytes: all members, frames or streams of the file, one after the other.
pub(super) fn unpacked(path: &Path, compression: Compression) -> Result<Box<dyn Read>> {
    let file = open_file(path)?;
    Ok(match compression {
        Compression::None => Box::new(file),
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(BufReader::new(file))),
        Compression::Zstd => Box::new(
            zstd::Decoder::new(file).map_err(|e| Error::io(path, "make a zstd decoder for", e))?,
        ),
        Compression::Xz => Box::new(liblzma::bufread::XzDecoder::new_multi_decoder(
            BufReader::new(file),
        )),
    })
}

fn open_file(path: &Path) -> Result<File> {
    let mut file = File::open(path).map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => Error::NotFound {
            path: path.to_owned(),
            what: "source",
        },
        _ => Error::io(path, "open", e),
    })?;
    let is_dir = file
        .metadata()
        .map_err(|e| Error::io(path, "look at", e))?
        .is_dir();
    if is_dir {
        return Err(Error::Source {
            path: path.to_owned(),
            reason: "it is a directory: name the files in it".to_owned(),
        });
    }
    // A pipe cannot be read twice, and a source is: once to see what it is, once for its records.
    file.rewind().map_err(|e| match e.kind() {
        io::ErrorKind::NotSeekable => Error::Source {
            path: path.to_owned(),
            reason: "it is a pipe: write it to a file first".to_owned(),
        },
        _ => Error::io(path, "read", e),
    })?;
    Ok(file)
}

//! Opening a file: which compression its first bytes tell, and a reader of what is inside.

use std::fs::File;
use std::io::{self, BufReader, Cursor, ErrorKind, Read, Seek};
use std::path::Path;

use crate::error::{Error, Result};

use super::Compression;

/// Opens a file that can be read more than once: a source is, to see what it is and for its records.
pub(super) fn file(path: &Path) -> Result<File> {
    let mut file = File::open(path).map_err(|e| match e.kind() {
        ErrorKind::NotFound => Error::NotFound {
            path: path.to_owned(),
            what: "source",
        },
        _ => Error::io(path, "open", e),
    })?;
    file.rewind().map_err(|e| match e.kind() {
        ErrorKind::NotSeekable => Error::Source {
            path: path.to_owned(),
            reason: "it is a pipe: write it to a file first".to_owned(),
        },
        _ => Error::io(path, "read", e),
    })?;
    Ok(file)
}

/// The compression that the first bytes of `packed` tell, and a reader of what is inside: all members, frames or
/// streams, one after the other. The file's name has no say in it.
pub(super) fn unpacked<'a>(
    mut packed: impl Read + 'a,
) -> io::Result<(Compression, Box<dyn Read + 'a>)> {
    let mut magic = Vec::with_capacity(6);
    packed.by_ref().take(6).read_to_end(&mut magic)?;
    let compression = match magic.as_slice() {
        [0x1f, 0x8b, ..] => Compression::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Compression::Zstd,
        [0xfd, b'7', b'z', b'X', b'Z', 0] => Compression::Xz,
        _ => Compression::None,
    };
    let packed = Cursor::new(magic).chain(packed);
    let reader: Box<dyn Read + 'a> = match compression {
        Compression::None => Box::new(packed),
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(BufReader::new(packed))),
        Compression::Zstd => Box::new(zstd::Decoder::new(packed)?),
        Compression::Xz => Box::new(liblzma::bufread::XzDecoder::new_multi_decoder(
            BufReader::new(packed),
        )),
    };
    Ok((compression, reader))
}

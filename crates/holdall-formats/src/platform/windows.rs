//! Positional reads by `ReadFile` with an offset. They move the file's cursor, which nobody here uses.

use std::fs::File;
use std::io;
use std::os::windows::fs::FileExt;

pub(crate) fn read_exact_at(file: &File, mut offset: u64, mut buf: &mut [u8]) -> io::Result<()> {
    while !buf.is_empty() {
        match file.seek_read(buf, offset) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => {
                buf = &mut buf[n..];
                offset += n as u64;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Nothing to do: a new file takes the permissions of its folder.
pub(crate) fn set_usual_permissions(_builder: &mut tempfile::Builder<'_, '_>) {}

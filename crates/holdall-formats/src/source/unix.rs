//! Positional reads by `pread`.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

pub(super) fn read_exact_at(file: &File, offset: u64, buf: &mut [u8]) -> io::Result<()> {
    file.read_exact_at(buf, offset)
}

//! What differs between operating systems: reading by position, and the permissions of a new file.

#[cfg(unix)]
mod unix;
#[cfg(unix)]
pub(crate) use unix::{read_exact_at, set_usual_permissions};
#[cfg(windows)]
mod windows;
#[cfg(windows)]
pub(crate) use windows::{read_exact_at, set_usual_permissions};

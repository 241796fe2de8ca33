//! `holdall doctor`.

use crate::args::DoctorArgs;
use crate::context::Context;
use crate::error::Result;
use crate::ui::print;

/// Looks at the machine.
///
/// # Errors
/// Those of writing to standard output.
pub fn run(_args: &DoctorArgs, _cx: &Context) -> Result<()> {
    print(concat!("holdall ", env!("CARGO_PKG_VERSION"), "\n"))
}

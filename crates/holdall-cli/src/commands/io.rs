//! The standard streams of a command that reads or streams text, so that tests can put their own there.

use std::fmt;
use std::io::{self, BufRead, IsTerminal, Read, Write};

use crate::error::{Error, Kind, Result};
use crate::ui::stdout_error;

/// More text than any model reads at once.
const MAX_INPUT_BYTES: u64 = 64 << 20;

/// Standard input and output.
pub struct Io<'a> {
    /// Where text is read from.
    pub input: &'a mut dyn BufRead,
    /// Whether somebody types there.
    pub input_is_terminal: bool,
    /// Where results go.
    pub output: &'a mut dyn Write,
}

impl fmt::Debug for Io<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Io").field("input_is_terminal", &self.input_is_terminal).finish_non_exhaustive()
    }
}

/// Calls `work` with the standard streams of this process.
pub fn with_standard_streams<T>(work: impl FnOnce(&mut Io<'_>) -> T) -> T {
    let stdin = io::stdin();
    let input_is_terminal = stdin.is_terminal();
    // Standard output is not locked: a panic message in between is better than none.
    work(&mut Io { input: &mut stdin.lock(), input_is_terminal, output: &mut io::stdout() })
}

/// Writes text and flushes it.
///
/// # Errors
/// Those of [`Io::write`].
pub fn write(output: &mut dyn Write, text: &str) -> Result<()> {
    output.write_all(text.as_bytes()).and_then(|()| output.flush()).map_err(stdout_error)
}

impl Io<'_> {
    /// Writes text and flushes it, so that it is seen at once.
    ///
    /// # Errors
    /// [`Kind::ClosedPipe`] when the reader has gone, [`Kind::Io`] for the rest.
    pub fn write(&mut self, text: &str) -> Result<()> {
        write(&mut *self.output, text)
    }

    /// All of the input, as text.
    ///
    /// # Errors
    /// When it cannot be read, is no UTF-8, or is absurdly long.
    pub fn read_all(&mut self) -> Result<String> {
        let mut bytes = Vec::new();
        let bad = |what: &str| Error::new(Kind::Usage, format!("standard input {what}"));
        (&mut self.input)
            .take(MAX_INPUT_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| bad("cannot be read").caused_by(error))?;
        if bytes.len() as u64 > MAX_INPUT_BYTES {
            return Err(bad(&format!("is longer than {} MiB", MAX_INPUT_BYTES >> 20)));
        }
        String::from_utf8(bytes).map_err(|error| bad("is not UTF-8 text").caused_by(error.utf8_error()))
    }
}

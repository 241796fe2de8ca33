//! Where a chat's lines come from: an editor with history at a terminal, else plain lines.

use std::io::BufRead;
use std::path::PathBuf;

use rustyline::error::ReadlineError;
use rustyline::{Config, DefaultEditor};

use crate::context::Context;
use crate::error::{Error, Kind, Result};

/// What came instead of a line, or a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// A line, without its end.
    Text(String),
    /// Ctrl-C was pressed.
    Interrupt,
    /// There are no more lines.
    End,
}

/// A source of lines.
pub trait Lines {
    /// The next line. `prompt` is shown where somebody types.
    ///
    /// # Errors
    /// When reading fails.
    fn next(&mut self, prompt: &str) -> Result<Line>;

    /// Whether somebody types there.
    fn is_interactive(&self) -> bool;
}

/// Lines of a pipe or file.
pub struct Plain<'a>(pub &'a mut dyn BufRead);

impl Lines for Plain<'_> {
    fn next(&mut self, _prompt: &str) -> Result<Line> {
        let mut line = String::new();
        let read = self.0.read_line(&mut line);
        let count = read.map_err(|error| {
            Error::new(Kind::Usage, "standard input cannot be read as UTF-8 text").caused_by(error)
        })?;
        if count == 0 {
            return Ok(Line::End);
        }
        line.truncate(line.trim_end_matches(['\n', '\r']).len());
        Ok(Line::Text(line))
    }

    fn is_interactive(&self) -> bool {
        false
    }
}

/// Lines typed at a terminal, with editing and the lines of earlier talks.
pub struct Editor {
    editor: DefaultEditor,
    history: Option<PathBuf>,
    cx: Context,
}

impl Editor {
    /// An editor whose lines are kept in the file `history`, if there is to be one.
    ///
    /// # Errors
    /// When the terminal cannot be used.
    pub fn open(history: Option<PathBuf>, cx: &Context) -> Result<Self> {
        let config = Config::builder().auto_add_history(false).max_history_size(10_000);
        let editor =
            config.and_then(|config| DefaultEditor::with_config(config.build())).map_err(|error| {
                Error::new(Kind::Internal, "cannot edit lines on this terminal").caused_by(error)
            })?;
        let mut this = Self { editor, history, cx: cx.clone() };
        if let Some(path) = &this.history
            && path.exists()
            && let Err(error) = this.editor.load_history(path)
        {
            this.cx.ui.warn(&format!("cannot read the history {}: {error}", path.display()));
        }
        Ok(this)
    }

    fn remember(&mut self, line: &str) {
        let Some(path) = &self.history else { return };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let made = folder.map_or(Ok(()), std::fs::create_dir_all).map_err(ReadlineError::from);
        let kept = self.editor.add_history_entry(line);
        // Line by line: several chats at once, or a crash, lose nothing.
        let result =
            made.and(kept).and_then(|added| if added { self.editor.append_history(path) } else { Ok(()) });
        if let Err(error) = result {
            self.cx.ui.warn(&format!("lines are not kept in {}: {error}", path.display()));
            self.history = None;
        }
    }
}

impl Lines for Editor {
    fn next(&mut self, prompt: &str) -> Result<Line> {
        match self.editor.readline(prompt) {
            Ok(line) => {
                if self.history.is_some() && !line.trim().is_empty() {
                    self.remember(&line);
                }
                Ok(Line::Text(line))
            }
            Err(ReadlineError::Interrupted) => Ok(Line::Interrupt),
            Err(ReadlineError::Eof) => Ok(Line::End),
            Err(error) => Err(Error::new(Kind::Io, "cannot read from the terminal").caused_by(error)),
        }
    }

    fn is_interactive(&self) -> bool {
        true
    }
}

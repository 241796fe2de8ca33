//! Standard error: notes, warnings, progress and the final error; and standard output that may be closed.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::env::Env;
use crate::error::{Error, Kind, Result};

/// How messages reach the user. Everything here goes to standard error, except [`print()`].
#[derive(Debug, Clone)]
pub struct Ui {
    verbose: bool,
    quiet: bool,
    terminal: bool,
    color: bool,
}

impl Ui {
    /// `verbose` shows what is done and why, `quiet` only errors.
    pub fn new(env: &Env, verbose: bool, quiet: bool) -> Self {
        let stderr_is_terminal = io::stderr().is_terminal();
        Self {
            verbose,
            quiet,
            terminal: stderr_is_terminal && !env.dumb_terminal(),
            color: stderr_is_terminal && !env.no_color(),
        }
    }

    /// Whether details were asked for.
    pub fn verbose(&self) -> bool {
        self.verbose
    }

    /// Says something that the user wants to know but did not ask for.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            write_line(text);
        }
    }

    /// Says something that may be wrong.
    pub fn warn(&self, text: &str) {
        if !self.quiet {
            write_line(&format!("{} {text}", self.paint("33;1", "warning:")));
        }
    }

    /// Says something that only `--verbose` shows.
    pub fn detail(&self, text: impl FnOnce() -> String) {
        if self.verbose {
            write_line(&format!("{} {}", self.paint("2", "detail:"), text()));
        }
    }

    /// Prints an error with its causes and what to do.
    pub fn error(&self, error: &Error) {
        match error.kind() {
            Kind::ClosedPipe => return,
            Kind::Interrupted if !self.verbose => return write_line("interrupted"),
            _ => {}
        }
        write_line(&format!("{} {error}", self.paint("31;1", "error:")));
        for cause in error.causes() {
            write_line(&format!("  caused by: {cause}"));
        }
        for hint in error.hints() {
            write_line(&format!("{} {hint}", self.paint("36;1", "hint:")));
        }
        if let Some(backtrace) = error.backtrace() {
            write_line(&format!("{backtrace}"));
        } else if self.verbose {
            write_line("(set RUST_BACKTRACE=1 to see where this arose)");
        }
    }

    /// Shows the progress of something that takes a while. `total` is in bytes, `None` when it is not known.
    pub fn progress(&self, label: &str, total: Option<u64>) -> Progress {
        if self.quiet {
            return Progress { show: Show::Nothing };
        }
        if self.terminal {
            let bar = match total {
                Some(total) => ProgressBar::new(total).with_style(style(
                    "{msg} [{bar:24}] {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} {eta}",
                )),
                None => {
                    ProgressBar::new_spinner().with_style(style("{spinner} {msg} {decimal_bytes} {elapsed}"))
                }
            };
            bar.set_message(label.to_owned());
            bar.enable_steady_tick(Duration::from_millis(120));
            return Progress { show: Show::Bar(bar) };
        }
        let size = total.map_or(Cow::Borrowed(""), |total| format!(" ({})", human_bytes(total)).into());
        write_line(&format!("{label}{size}"));
        Progress { show: Show::Lines { label: label.to_owned(), total, position: 0, said: Instant::now() } }
    }

    /// Shows how something goes that has no size: what [`Progress::say`] said last.
    pub fn activity(&self, label: &str) -> Progress {
        if self.quiet {
            return Progress { show: Show::Nothing };
        }
        if self.terminal {
            let bar = ProgressBar::new_spinner().with_style(style("{spinner} {msg}"));
            bar.set_message(label.to_owned());
            bar.enable_steady_tick(Duration::from_millis(120));
            return Progress { show: Show::Bar(bar) };
        }
        write_line(label);
        Progress {
            show: Show::Lines { label: label.to_owned(), total: None, position: 0, said: Instant::now() },
        }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

fn style(template: &str) -> ProgressStyle {
    // The templates are constants of this module; a bad one would only cost the decoration.
    ProgressStyle::with_template(template)
        .map_or_else(|_| ProgressStyle::default_bar(), |style| style.progress_chars("=> "))
}

/// A running display of progress; it goes when this is dropped.
#[derive(Debug)]
pub struct Progress {
    show: Show,
}

#[derive(Debug)]
enum Show {
    Nothing,
    Bar(ProgressBar),
    Lines { label: String, total: Option<u64>, position: u64, said: Instant },
}

/// Without a terminal, how often a line says how far it is.
const LINE_EVERY: Duration = Duration::from_secs(10);

impl Progress {
    /// How many bytes are done.
    pub fn set(&mut self, bytes: u64) {
        match &mut self.show {
            Show::Nothing => {}
            Show::Bar(bar) => bar.set_position(bytes),
            Show::Lines { label, total, position, said } => {
                *position = bytes;
                if said.elapsed() >= LINE_EVERY {
                    *said = Instant::now();
                    let of = total.map_or(String::new(), |total| format!(" of {}", human_bytes(total)));
                    write_line(&format!("{label}: {}{of}", human_bytes(*position)));
                }
            }
        }
    }

    /// How it goes, in words: on a terminal in place of what was there, else a line from time to time.
    pub fn say(&mut self, text: impl FnOnce() -> String) {
        match &mut self.show {
            Show::Nothing => {}
            Show::Bar(bar) => bar.set_message(text()),
            Show::Lines { said, .. } => {
                if said.elapsed() >= LINE_EVERY {
                    *said = Instant::now();
                    write_line(&text());
                }
            }
        }
    }

    /// Says something without disturbing the bar.
    pub fn note(&self, text: &str) {
        match &self.show {
            Show::Nothing => {}
            Show::Bar(bar) => bar.suspend(|| write_line(text)),
            Show::Lines { .. } => write_line(text),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Show::Bar(bar) = &self.show {
            bar.finish_and_clear();
        }
    }
}

/// Writes a line to standard error. Nobody may be listening: that is no reason to stop.
fn write_line(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Writes text to standard output and flushes it.
///
/// # Errors
/// [`Kind::ClosedPipe`] when the reader has gone, [`Kind::Io`] when the disk is full, say.
pub fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(stdout_error)
}

/// The error of writing to standard output.
pub fn stdout_error(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Error::new(Kind::ClosedPipe, "the reader of standard output has gone"),
        _ => Error::new(Kind::Io, "cannot write to standard output").caused_by(error),
    }
}

/// A size in decimal units, as disks and download pages count: `98.4 MB`.
pub fn human_bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["B", "kB", "MB", "GB", "TB", "PB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use super::human_bytes;

    #[test]
    fn sizes_read_well() {
        assert_eq!(human_bytes(0), "0 B");
        assert_eq!(human_bytes(999), "999 B");
        assert_eq!(human_bytes(1000), "1.0 kB");
        assert_eq!(human_bytes(98_362_432), "98.4 MB");
        assert_eq!(human_bytes(999_999), "1.0 MB");
    }
}

//! What NVRTC says, as diagnostics of the user's own text.

use crate::diagnostic::{Diagnostic, Error, Kind, Label, Note, Severity};
use crate::source::{Part, Position};

/// The name that a part has in `#line` directives.
pub(super) fn file_name(part: Part) -> &'static str {
    match part {
        Part::Header => "header",
        Part::Body => "body",
        Part::Prelude => "prelude",
        Part::Signature => "signature",
    }
}

/// The user's text, by part.
#[derive(Clone, Debug)]
pub(super) struct Texts {
    pub header: String,
    pub body: String,
}

/// A line of the log that begins a message.
struct Head<'a> {
    file: &'a str,
    line: u32,
    severity: Severity,
    message: &'a str,
}

/// `name(line): error: message`, perhaps with a number behind `error`.
fn head(line: &str) -> Option<Head<'_>> {
    let (place, rest) = line.split_once("): ")?;
    let (file, number) = place.rsplit_once('(')?;
    let (what, message) = rest.split_once(": ")?;
    let severity = if what.contains("error") {
        Severity::Error
    } else if what.starts_with("warning") {
        Severity::Warning
    } else {
        return None;
    };
    Some(Head { file, line: number.parse().ok()?, severity, message })
}

impl Texts {
    fn part(&self, file: &str) -> Option<(Part, &str)> {
        match file {
            "header" => Some((Part::Header, &self.header)),
            "body" => Some((Part::Body, &self.body)),
            _ => None,
        }
    }

    /// The line, with carets below `word` if it is there: its `nth` occurrence.
    fn label(&self, file: &str, line: u32, word: Option<(&str, usize)>) -> Option<Label> {
        let (part, text) = self.part(file)?;
        let content = text.lines().nth(line.checked_sub(1)? as usize).unwrap_or_default();
        let found = word.and_then(|(word, nth)| {
            let places: Vec<usize> = occurrences(content, word).collect();
            let at = *places.get(nth).or(places.last())?;
            Some((at, word.chars().count()))
        });
        let (at, width) = found.unwrap_or_else(|| {
            let trimmed = content.trim_start();
            (content.len() - trimmed.len(), trimmed.trim_end().chars().count().max(1))
        });
        let column = content[..at].chars().count() as u32 + 1;
        Some(Label::at(Position { part, line, column }, width as u32, content))
    }

    /// The first place of the user's text that a note of the log names: `at line 12 of body`.
    fn mentioned(&self, lines: &[&str]) -> Option<Label> {
        lines.iter().rev().find_map(|line| {
            let (_, rest) = line.split_once("at line ")?;
            let (number, file) = rest.split_once(" of ")?;
            self.label(file.trim().trim_matches('"'), number.parse().ok()?, None)
        })
    }

    /// Reads a log. Without an error in it, the whole log is one.
    pub fn read(&self, log: &str) -> Error {
        let lines: Vec<&str> = log.lines().collect();
        let mut diagnostics = Vec::new();
        let starts: Vec<usize> = (0..lines.len()).filter(|i| head(lines[*i]).is_some()).collect();
        for (i, start) in starts.iter().enumerate() {
            let Some(head) = head(lines[*start]) else { continue };
            let end = starts.get(i + 1).copied().unwrap_or(lines.len());
            diagnostics.push(self.diagnostic(&head, &lines[start + 1..end]));
        }
        let failed = diagnostics.iter().any(|d| d.severity() == Severity::Error);
        if !failed {
            let text = log.trim();
            let text = if text.is_empty() { "NVRTC failed and says nothing" } else { text };
            diagnostics.push(Diagnostic::foreign(
                Severity::Error,
                Kind::Syntax,
                text.to_owned(),
                None,
                Vec::new(),
            ));
        }
        Error::new(diagnostics)
    }

    fn diagnostic(&self, head: &Head<'_>, rest: &[&str]) -> Diagnostic {
        let caret = rest.iter().position(|line| line.trim() == "^");
        let word = caret.filter(|at| *at > 0).and_then(|at| {
            let (shown, column) = (rest[at - 1], rest[at].find('^')?);
            let word = word_at(shown, column)?;
            Some((word, occurrences(&shown[..column], word).count()))
        });
        let message = plain(head.message);
        let kind = if message.contains("is undefined") || message.contains("has no member") {
            Kind::Name
        } else if message.starts_with("expected") {
            Kind::Syntax
        } else {
            Kind::Type
        };
        let label = self.label(head.file, head.line, word);
        let mut notes = Vec::new();
        let label = label.or_else(|| {
            // A template of the prelude was used in a way that it does not take.
            let label = self.mentioned(rest)?;
            notes.push(Note::new("while a function of the language was instantiated", None));
            Some(label)
        });
        Diagnostic::foreign(head.severity, kind, message, label, notes)
    }
}

/// Where a word stands in a line, as a whole.
fn occurrences<'a>(line: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let whole = word.starts_with(is_part);
    line.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let before = line[..*at].chars().next_back().is_some_and(is_part);
        let after = line[at + word.len()..].chars().next().is_some_and(is_part);
        !whole || (!before && !after)
    })
}

/// The name or character at a column, in bytes.
fn word_at(line: &str, column: usize) -> Option<&str> {
    let rest = line.get(column..)?;
    let first = rest.chars().next()?;
    if !(first.is_alphanumeric() || first == '_') {
        return Some(&rest[..first.len_utf8()]);
    }
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    Some(&rest[..end])
}

/// A message in the words of MSL.
fn plain(message: &str) -> String {
    let mut text = message.replace("holdall::metal::", "").replace("holdall::", "");
    for (long, short) in
        [("impl_::float16<impl_::half_format>", "half"), ("impl_::float16<impl_::bfloat_format>", "bfloat")]
    {
        text = text.replace(long, short);
    }
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts() -> Texts {
        Texts {
            header: "int twice(int a) { return 2 * a; }".to_owned(),
            body: "float a = 1.0;\nfloat b = a + bee;\ny[0] = b;".to_owned(),
        }
    }

    #[test]
    fn errors_point_into_the_users_text() {
        let log = "body(2): error: identifier \"bee\" is undefined\n  float b = a + bee;\n                ^\n\n1 error detected";
        let error = texts().read(log);
        let label = error.diagnostics()[0].label().expect("a place");
        assert_eq!((label.position().line, label.position().column, label.width()), (2, 15, 3));
        assert_eq!(error.kind(), Kind::Name);
        assert!(error.to_string().contains("body:2:15"), "{error}");
    }

    #[test]
    fn errors_of_the_prelude_are_put_where_it_was_used() {
        let log = "vector.cu(10): error: static assertion failed\n          detected during:\n            instantiation of \"x\" at line 12\n            instantiation of \"y\" at line 3 of body\n";
        let error = texts().read(log);
        assert_eq!(error.diagnostics()[0].label().map(|l| l.position().line), Some(3));
    }

    #[test]
    fn a_log_without_a_place_is_an_error_nevertheless() {
        assert!(texts().read("").to_string().contains("says nothing"));
        assert!(texts().read("nvrtc: error: invalid value").to_string().contains("invalid value"));
    }
}

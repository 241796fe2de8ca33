//! A Rust file taken apart into code, comments and string literals, line by line.
//!
//! This is a lexer of just those three: enough to know that a word stands in code, not in a message or a comment.

/// A file taken apart. All three have as many lines as the file.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// The file with comments and the insides of string and character literals blanked.
    pub code: Vec<String>,
    /// The comments of each line.
    pub comments: Vec<String>,
    /// The insides of string literals on each line.
    pub strings: Vec<String>,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Code,
    LineComment,
    /// Nested this deep.
    BlockComment(usize),
    /// Ends at a quote with that many `#`; `None` for one with escapes.
    Text(Option<usize>),
}

impl Source {
    /// Takes a file apart.
    pub fn parse(text: &str) -> Self {
        let chars: Vec<char> = text.chars().collect();
        let mut source = Self::default();
        source.line();
        let mut state = State::Code;
        let mut i = 0;
        while i < chars.len() {
            if chars[i] == '\n' {
                if state == State::LineComment {
                    state = State::Code;
                }
                source.line();
                i += 1;
                continue;
            }
            let (next, used) = step(state, &chars[i..], i.checked_sub(1).map(|p| chars[p]));
            for c in &chars[i..i + used] {
                // An escape of a line's end inside a string is two characters.
                if *c == '\n' {
                    source.line();
                } else {
                    source.put(state, next, *c);
                }
            }
            state = next;
            i += used;
        }
        source
    }

    fn line(&mut self) {
        self.code.push(String::new());
        self.comments.push(String::new());
        self.strings.push(String::new());
    }

    fn put(&mut self, before: State, after: State, c: char) {
        let is_comment = |s| matches!(s, State::LineComment | State::BlockComment(_));
        let is_text = |s| matches!(s, State::Text(_));
        let (mut in_code, mut in_comment, mut in_text) = (' ', ' ', ' ');
        if is_comment(before) || is_comment(after) {
            in_comment = c;
        } else if is_text(before) && is_text(after) {
            in_text = c;
        } else {
            in_code = c;
        }
        let put = |lines: &mut Vec<String>, c| lines.last_mut().map(|line| line.push(c));
        put(&mut self.code, in_code);
        put(&mut self.comments, in_comment);
        put(&mut self.strings, in_text);
    }
}

/// The state after the next token of `rest`, and how many characters that is.
fn step(state: State, rest: &[char], before: Option<char>) -> (State, usize) {
    let is = |at: usize, c: char| rest.get(at) == Some(&c);
    match state {
        State::LineComment => (state, 1),
        State::BlockComment(depth) if is(0, '/') && is(1, '*') => (State::BlockComment(depth + 1), 2),
        State::BlockComment(1) if is(0, '*') && is(1, '/') => (State::Code, 2),
        State::BlockComment(depth) if is(0, '*') && is(1, '/') => (State::BlockComment(depth - 1), 2),
        State::BlockComment(_) => (state, 1),
        State::Text(None) if is(0, '\\') => (state, rest.len().min(2)),
        State::Text(None) if is(0, '"') => (State::Code, 1),
        State::Text(Some(n)) if is(0, '"') && (1..=n).all(|k| is(k, '#')) => (State::Code, n + 1),
        State::Text(_) => (state, 1),
        State::Code if is(0, '/') && is(1, '/') => (State::LineComment, 2),
        State::Code if is(0, '/') && is(1, '*') => (State::BlockComment(1), 2),
        State::Code if is(0, '"') => (State::Text(None), 1),
        State::Code if is(0, 'r') && !before.is_some_and(|c| c.is_alphanumeric() && c != 'b' && c != 'c') => {
            let hashes = rest[1..].iter().take_while(|c| **c == '#').count();
            if is(1 + hashes, '"') { (State::Text(Some(hashes)), hashes + 2) } else { (State::Code, 1) }
        }
        // A character, not a lifetime: '\n', '"', 'x'.
        State::Code if is(0, '\'') && is(1, '\\') => {
            let end = rest.iter().skip(3).position(|c| *c == '\'').map_or(1, |p| p + 4);
            (State::Code, end)
        }
        State::Code if is(0, '\'') && is(2, '\'') => (State::Code, 3),
        State::Code => (State::Code, 1),
    }
}

//! Text to tokens.

use crate::diagnostic::{Kind, Result, Sink};
use crate::source::{Location, SourceMap, Span};
use crate::symbol::{Interner, Symbol, word};

macro_rules! punctuation {
    ($($name:ident = $text:literal),* $(,)?) => {
        /// Operators and brackets.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(crate) enum Punct { $($name),* }

        impl Punct {
            pub(crate) fn text(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }
        }

        // Longest first.
        const PUNCTUATION: &[(&str, Punct)] = &[$(($text, Punct::$name)),*];
    };
}

punctuation! {
    ShlAssign = "<<=", ShrAssign = ">>=", Ellipsis = "...", Paste = "##", Scope = "::", Arrow = "->", Inc = "++",
    Dec = "--", Shl = "<<", Shr = ">>", Le = "<=", Ge = ">=", EqEq = "==", Ne = "!=", AndAnd = "&&", OrOr = "||",
    AddAssign = "+=", SubAssign = "-=", MulAssign = "*=", DivAssign = "/=", RemAssign = "%=", AndAssign = "&=",
    OrAssign = "|=", XorAssign = "^=", Hash = "#", LeftBrace = "{", RightBrace = "}", LeftBracket = "[",
    RightBracket = "]", LeftParen = "(", RightParen = ")", Semicolon = ";", Comma = ",", Colon = ":",
    Question = "?", Dot = ".", Plus = "+", Minus = "-", Star = "*", Slash = "/", Percent = "%", And = "&",
    Or = "|", Xor = "^", Tilde = "~", Not = "!", Less = "<", Greater = ">", Assign = "=",
}

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    Identifier,
    Number,
    Text,
    Character,
    Punct(Punct),
    Unknown(char),
    End,
}

/// A token. `symbol` is the spelling of all but operators.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token {
    pub kind: TokenKind,
    pub symbol: Symbol,
    pub start: Location,
    pub end: Location,
    /// It is the first of its line.
    pub line_start: bool,
    /// There is white space before it.
    pub space: bool,
    /// It is the name of a macro that was met inside of that macro's own expansion, and stays.
    pub painted: bool,
}

impl Token {
    pub(crate) fn span(&self) -> Span {
        Span::new(self.start, self.end)
    }

    pub(crate) fn is(&self, punct: Punct) -> bool {
        self.kind == TokenKind::Punct(punct)
    }

    pub(crate) fn is_word(&self, symbol: Symbol) -> bool {
        self.kind == TokenKind::Identifier && self.symbol == symbol
    }

    /// The spelling, as the `#` operator of the preprocessor wants it.
    pub(crate) fn spelling<'a>(&self, interner: &'a Interner) -> &'a str {
        match self.kind {
            TokenKind::Punct(punct) => punct.text(),
            TokenKind::Unknown(_) => "?",
            _ => interner.text(self.symbol),
        }
    }

    /// How error messages call it.
    pub(crate) fn describe(&self, interner: &Interner) -> String {
        match self.kind {
            TokenKind::End => "the end of the source".to_owned(),
            TokenKind::Unknown(c) => format!("`{}`", c.escape_default()),
            _ => format!("`{}`", self.spelling(interner)),
        }
    }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    first: u32,
    line_start: bool,
    space: bool,
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

impl<'a> Lexer<'a> {
    fn peek(&self, ahead: usize) -> u8 {
        self.text.as_bytes().get(self.at + ahead).copied().unwrap_or(0)
    }

    fn location(&self, at: usize) -> Location {
        SourceMap::at(self.first + at as u32)
    }

    /// Skips blanks and comments; a backslash at the end of a line joins it with the next.
    fn skip(&mut self, sink: &mut Sink) {
        while self.at < self.text.len() {
            match (self.peek(0), self.peek(1)) {
                (b'\n', _) => {
                    self.at += 1;
                    (self.line_start, self.space) = (true, true);
                }
                (b' ' | b'\t' | b'\r' | 0x0b | 0x0c, _) => {
                    self.at += 1;
                    self.space = true;
                }
                (b'\\', b'\n') => self.at += 2,
                (b'\\', b'\r') if self.peek(2) == b'\n' => self.at += 3,
                (b'/', b'/') => {
                    let rest = &self.text[self.at..];
                    self.at += rest.find('\n').unwrap_or(rest.len());
                    self.space = true;
                }
                (b'/', b'*') => {
                    let rest = &self.text[self.at + 2..];
                    let end = rest.find("*/");
                    if end.is_none() {
                        let span = Span::new(self.location(self.at), self.location(self.at + 2));
                        sink.error(Kind::Syntax, span, "this comment has no end: expected `*/`");
                    }
                    self.at += end.map_or(rest.len() + 2, |end| end + 4);
                    self.space = true;
                }
                _ => break,
            }
        }
    }

    fn while_bytes(&mut self, keep: impl Fn(u8) -> bool) {
        while self.at < self.text.len() && keep(self.peek(0)) {
            self.at += 1;
        }
    }

    fn number(&mut self) {
        while self.at < self.text.len() {
            match (self.peek(0), self.peek(1)) {
                (b'e' | b'E' | b'p' | b'P', b'+' | b'-') => {
                    // In a hexadecimal integer, `e` is a digit and ends no number.
                    let start = self.text[..self.at].rfind(|c: char| !c.is_ascii_alphanumeric() && c != '.');
                    let hexadecimal = self.text[start.map_or(0, |s| s + 1)..self.at].starts_with(['0']) && {
                        let head = &self.text[start.map_or(0, |s| s + 1)..self.at];
                        head.starts_with("0x") || head.starts_with("0X")
                    };
                    self.at += if hexadecimal && matches!(self.peek(0), b'e' | b'E') { 1 } else { 2 };
                }
                (b'.', _) => self.at += 1,
                (byte, _) if is_name(byte) => self.at += 1,
                (b'\'', next) if is_name(next) => self.at += 1,
                _ => break,
            }
        }
    }

    fn quoted(&mut self, quote: u8, sink: &mut Sink) {
        let start = self.at;
        self.at += 1;
        loop {
            match self.peek(0) {
                b'\n' => break,
                _ if self.at >= self.text.len() => break,
                b'\\' if self.at + 1 < self.text.len() => {
                    let c = self.text[self.at + 1..].chars().next().map_or(0, char::len_utf8);
                    self.at += 1 + c;
                    continue;
                }
                byte if byte == quote => {
                    self.at += 1;
                    return;
                }
                _ => {}
            }
            self.at += self.text[self.at..].chars().next().map_or(1, char::len_utf8);
        }
        let span = Span::new(self.location(start), self.location(self.at));
        sink.error(Kind::Syntax, span, "this text has no closing quote");
    }

    fn next(&mut self, interner: &mut Interner, sink: &mut Sink) -> Token {
        self.skip(sink);
        let start = self.at;
        let mut symbol = word::EMPTY;
        let kind = match self.peek(0) {
            _ if self.at >= self.text.len() => TokenKind::End,
            b'0'..=b'9' => {
                self.number();
                TokenKind::Number
            }
            b'.' if self.peek(1).is_ascii_digit() => {
                self.number();
                TokenKind::Number
            }
            b'"' => {
                self.quoted(b'"', sink);
                TokenKind::Text
            }
            b'\'' => {
                self.quoted(b'\'', sink);
                TokenKind::Character
            }
            byte if is_name(byte) => {
                self.while_bytes(is_name);
                TokenKind::Identifier
            }
            _ => {
                let rest = &self.text[start..];
                match PUNCTUATION.iter().find(|(text, _)| rest.starts_with(text)) {
                    Some((text, punct)) => {
                        self.at += text.len();
                        TokenKind::Punct(*punct)
                    }
                    None => {
                        let c = rest.chars().next().unwrap_or(' ');
                        self.at += c.len_utf8();
                        TokenKind::Unknown(c)
                    }
                }
            }
        };
        if !matches!(kind, TokenKind::Punct(_) | TokenKind::End | TokenKind::Unknown(_)) {
            symbol = interner.intern(&self.text[start..self.at]);
        }
        let (start, end) = (self.location(start), self.location(self.at));
        let (line_start, space) = (self.line_start || kind == TokenKind::End, self.space);
        (self.line_start, self.space) = (false, false);
        Token { kind, symbol, start, end, line_start, space, painted: false }
    }
}

/// All tokens of a text whose first byte has the location `first`, and [`TokenKind::End`].
pub(crate) fn lex(text: &str, first: u32, interner: &mut Interner, sink: &mut Sink) -> Result<Vec<Token>> {
    let mut lexer = Lexer { text, at: 0, first, line_start: true, space: true };
    let mut tokens = Vec::with_capacity(text.len() / 4);
    loop {
        let token = lexer.next(interner, sink);
        if tokens.len() > crate::limits::TOKENS {
            return Err(sink.limit(token.span(), "the source has more than a million tokens"));
        }
        tokens.push(token);
        if token.kind == TokenKind::End {
            return Ok(tokens);
        }
    }
}

/// The tokens of a piece of text that stands at one place of the source, without the end.
pub(crate) fn lex_piece(text: &str, like: &Token, interner: &mut Interner) -> Vec<Token> {
    let mut lexer = Lexer { text, at: 0, first: 0, line_start: false, space: like.space };
    let mut tokens = Vec::new();
    loop {
        let mut token = lexer.next(interner, &mut Sink::default());
        if token.kind == TokenKind::End {
            return tokens;
        }
        (token.start, token.end, token.line_start) = (like.start, like.end, false);
        tokens.push(token);
    }
}

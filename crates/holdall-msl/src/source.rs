//! Where things are in the source: compact locations inside, parts, lines and columns outside.

use std::fmt;

/// A part of the source of a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// The functions that every kernel may use, written by us.
    Prelude,
    /// What the user wants before the kernel.
    Header,
    /// The inside of the kernel.
    Body,
    /// The parameter list, which is generated.
    Signature,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Prelude => "prelude",
            Self::Header => "header",
            Self::Body => "body",
            Self::Signature => "signature",
        })
    }
}

/// A place in the source, of a character or of a macro's use. Resolve it with [`SourceMap::position`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Location(u32);

impl Location {
    /// Bytes behind the location `first` of a text, of a token in it that came out of no macro.
    pub(crate) fn offset_from(self, first: u32) -> usize {
        self.0.saturating_sub(first) as usize
    }
}

const EXPANDED: u32 = 1 << 31;

/// A piece of the source: from the first byte of one token to behind the last byte of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Span {
    /// The first byte.
    pub start: Location,
    /// The byte behind the last.
    pub end: Location,
}

impl Span {
    pub(crate) fn new(start: Location, end: Location) -> Self {
        Self { start, end }
    }

    pub(crate) fn to(self, last: Self) -> Self {
        Self { start: self.start, end: last.end }
    }
}

/// A line and column, both from 1, of a part. Columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// The part.
    pub part: Part,
    /// The line in the part.
    pub line: u32,
    /// The column in the line.
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.part, self.line, self.column)
    }
}

/// A token that came out of a macro: where the macro was used, and where its definition has the token.
#[derive(Clone, Copy, Debug)]
struct Expansion {
    used: Location,
    defined: Location,
}

#[derive(Clone, Debug)]
struct Text {
    part: Part,
    first: u32,
    text: Box<str>,
    /// Where each line starts.
    lines: Box<[u32]>,
}

/// The texts of a kernel and the uses of macros in them.
#[derive(Clone, Debug, Default)]
pub struct SourceMap {
    texts: Vec<Text>,
    expansions: Vec<Expansion>,
}

impl SourceMap {
    /// Adds a text and returns the location of its first byte.
    pub(crate) fn add(&mut self, part: Part, text: &str) -> u32 {
        // Location 0 belongs to no text: it stands for what is generated.
        let first = self.texts.last().map_or(1, |last| last.first + last.text.len() as u32 + 1);
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let lines = std::iter::once(0).chain(ends.map(|(at, _)| at as u32 + 1)).collect();
        self.texts.push(Text { part, first, text: text.into(), lines });
        first
    }

    pub(crate) fn at(offset: u32) -> Location {
        Location(offset)
    }

    /// The location of a token of a macro's definition that was used somewhere.
    pub(crate) fn expanded(&mut self, used: Location, defined: Location) -> Location {
        // Tokens of one use mostly share their locations with the token before.
        let index = self.expansions.len() as u32;
        self.expansions.push(Expansion { used, defined: self.root_definition(defined) });
        Location(EXPANDED | index)
    }

    fn expansion(&self, location: Location) -> Option<Expansion> {
        (location.0 & EXPANDED != 0).then(|| self.expansions[(location.0 & !EXPANDED) as usize])
    }

    fn root_definition(&self, mut location: Location) -> Location {
        while let Some(expansion) = self.expansion(location) {
            location = expansion.defined;
        }
        location
    }

    /// The place in a text, outside of macros, that a location belongs to.
    pub(crate) fn root(&self, mut location: Location) -> Location {
        while let Some(expansion) = self.expansion(location) {
            location = expansion.used;
        }
        location
    }

    fn find(&self, location: Location) -> Option<(&Text, usize)> {
        let offset = self.root(location).0;
        let text = self.texts.iter().rev().find(|text| text.first <= offset)?;
        let inside = (offset - text.first) as usize;
        (inside <= text.text.len()).then_some((text, inside))
    }

    /// The part, line and column of a location: for what came out of a macro, of the macro's outermost use. `None` for
    /// what is in no text, such as parameters.
    #[must_use]
    pub fn position(&self, location: Location) -> Option<Position> {
        let (text, inside) = self.find(location)?;
        let line = text.lines.partition_point(|start| *start as usize <= inside);
        let start = text.lines[line - 1] as usize;
        let column = text.text.get(start..inside)?.chars().count() as u32 + 1;
        Some(Position { part: text.part, line: line as u32, column })
    }

    /// Where the definition of the macro has the token, if the location is of a token that came out of a macro.
    #[must_use]
    pub fn definition(&self, location: Location) -> Option<Position> {
        let expansion = self.expansion(location)?;
        self.position(expansion.defined)
    }

    pub(crate) fn definition_of(&self, location: Location) -> Option<Location> {
        self.expansion(location).map(|expansion| expansion.defined)
    }

    /// The line that a location is in.
    #[must_use]
    pub fn line(&self, location: Location) -> Option<&str> {
        let (text, inside) = self.find(location)?;
        let line = text.lines.partition_point(|start| *start as usize <= inside);
        let start = text.lines[line - 1] as usize;
        text.text[start..].lines().next().or(Some(""))
    }

    /// How many columns a span has in the line where it starts, at least one.
    pub(crate) fn width(&self, span: Span) -> u32 {
        let (start, end) = (self.root(span.start).0, self.root(span.end).0);
        let Some((text, inside)) = self.find(span.start) else { return 1 };
        let length = (end.saturating_sub(start) as usize).min(text.text.len() - inside);
        let piece = text.text.get(inside..inside + length).unwrap_or("");
        piece.lines().next().map_or(0, |line| line.chars().count() as u32).max(1)
    }
}

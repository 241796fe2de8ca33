//! The one Python literal that npy headers are: a dict of a string, a bool and a tuple of integers.

use crate::error::{Error, Quoted, Result};

/// The keys of a header. Those that are missing are `None`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Dict {
    pub(super) descr: Option<String>,
    pub(super) fortran_order: Option<bool>,
    pub(super) shape: Option<Vec<u64>>,
}

pub(super) fn parse(text: &str) -> Result<Dict> {
    let mut p = Parser { text, at: 0 };
    let mut dict = Dict::default();
    p.expect('{')?;
    while !p.accept('}') {
        let key = p.string()?;
        p.expect(':')?;
        let fresh = match key {
            "descr" => dict.descr.replace(p.descr()?.to_owned()).is_none(),
            "fortran_order" => dict.fortran_order.replace(p.bool()?).is_none(),
            "shape" => dict.shape.replace(p.tuple()?).is_none(),
            other => return Err(Error::malformed(format!("an unknown key {}", Quoted(other)))),
        };
        if !fresh {
            return Err(Error::malformed(format!("the key {} occurs twice", Quoted(key))));
        }
        if !p.accept(',') {
            p.expect('}')?;
            break;
        }
    }
    match p.rest() {
        "" => Ok(dict),
        _ => Err(p.error("its end")),
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    /// What is left after white space.
    fn rest(&mut self) -> &'a str {
        let rest = self.text[self.at..].trim_ascii_start();
        self.at = self.text.len() - rest.len();
        // Old writers pad with zero bytes.
        if rest.bytes().all(|b| b == 0) { "" } else { rest }
    }

    fn error(&self, wanted: &str) -> Error {
        let found: String = self.text[self.at..].chars().take(20).collect();
        Error::malformed(format!("wanted {wanted} at character {}, got {}", self.at, Quoted(&found)))
    }

    fn accept(&mut self, c: char) -> bool {
        let found = self.rest().starts_with(c);
        if found {
            self.at += c.len_utf8();
        }
        found
    }

    fn expect(&mut self, c: char) -> Result<()> {
        if self.accept(c) { Ok(()) } else { Err(self.error(&format!("`{c}`"))) }
    }

    fn string(&mut self) -> Result<&'a str> {
        let rest = self.rest();
        let quote =
            rest.chars().next().filter(|c| matches!(c, '\'' | '"')).ok_or_else(|| self.error("a string"))?;
        let body = &rest[1..];
        let end = body.find(quote).ok_or_else(|| self.error("a closed string"))?;
        if body[..end].contains('\\') {
            return Err(self.error("a string without escapes"));
        }
        self.at += end + 2;
        Ok(&body[..end])
    }

    fn descr(&mut self) -> Result<&'a str> {
        if self.rest().starts_with(['[', '(']) {
            return Err(Error::unsupported("a structured type is not supported").in_field("descr"));
        }
        self.string()
    }

    fn bool(&mut self) -> Result<bool> {
        for (word, value) in [("True", true), ("False", false)] {
            if self.rest().starts_with(word) {
                self.at += word.len();
                return Ok(value);
            }
        }
        Err(self.error("True or False"))
    }

    fn tuple(&mut self) -> Result<Vec<u64>> {
        let mut items = Vec::new();
        self.expect('(')?;
        while !self.accept(')') {
            let rest = self.rest();
            let digits = &rest[..rest.bytes().take_while(u8::is_ascii_digit).count()];
            items.push(digits.parse().map_err(|_| self.error("an extent"))?);
            self.at += digits.len();
            // Python 2 marked long integers.
            self.accept('L');
            if !self.accept(',') {
                self.expect(')')?;
                break;
            }
        }
        Ok(items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_numpy_writes() {
        let wanted = |shape: &[u64]| Dict {
            descr: Some("<f4".into()),
            fortran_order: Some(false),
            shape: Some(shape.to_vec()),
        };
        for (text, shape) in [
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }   \n", &[2, 3][..]),
            ("{\"shape\":(5,),\"fortran_order\":False,\"descr\":\"<f4\"}", &[5]),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': ()}\0\0", &[]),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 3L)}", &[2, 3]),
        ] {
            assert_eq!(parse(text).unwrap(), wanted(shape), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "",
            "{",
            "{'descr'",
            "{'descr': '<f4'",
            "{'descr: 3}",
            "{'shape': (1 2)}",
            "{'shape': (-1,)}",
            "{'shape': (99999999999999999999,)}",
            "{'shape': (,)}",
            "{'shape': [1]}",
            "{'fortran_order': 0}",
            "{'a': 1}",
            "{'shape': (1,), 'shape': (1,)}",
            "{'descr': [('a', '<f4')]}",
            "{'descr': '\\x41'}",
            "{} {}",
            "{'shape': (1,)} x",
            "é",
            "{'é': 1}",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}

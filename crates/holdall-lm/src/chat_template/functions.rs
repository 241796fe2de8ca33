//! What Hugging Face adds to Jinja: `tojson`, `raise_exception`, `strftime_now`, and Python's way to print.

use std::io::{self, Write};

use jiff::ZonedDateTime;
use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Environment, Error, ErrorKind, Output, State, Value};
use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter};

/// Longest JSON text that one use of `tojson` makes, in bytes. Values share their parts, so a small one can have a text
/// without end; fuel is only charged for what exists.
const MAX_JSON_BYTES: usize = 16 << 20;

/// Deepest indent of `tojson`, in spaces.
const MAX_INDENT: usize = 16;

/// One fuel pays for this many bytes of JSON.
const JSON_BYTES_PER_FUEL: usize = 16;

pub(crate) fn install(env: &mut Environment<'_>) {
    env.add_filter("tojson", to_json);
    env.add_function("raise_exception", raise_exception);
    env.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    env.set_formatter(format);
}

/// `strftime_now(format)` for a given time.
pub(crate) fn strftime(now: &ZonedDateTime, format: &str) -> Result<String, Error> {
    jiff::fmt::strtime::format(format, now)
        .map_err(|e| Error::new(ErrorKind::InvalidOperation, format!("strftime_now: {e}")))
}

fn raise_exception(message: &str) -> Result<Value, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, format!("the template refuses this conversation: {message}")))
}

/// Prints truth values and none as Python does; everything else as Jinja does.
fn format(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    match value.kind() {
        ValueKind::Bool => Ok(out.write_str(if value.is_true() { "True" } else { "False" })?),
        ValueKind::None => Ok(out.write_str("None")?),
        _ => minijinja::escape_formatter(out, state, value),
    }
}

/// `tojson(value, ensure_ascii=false, indent=none, sort_keys=false)`: Python's `json.dumps`, without HTML escapes.
fn to_json(state: &State<'_, '_>, value: &Value, options: Kwargs) -> Result<Value, Error> {
    let indent: Option<usize> = options.get("indent")?;
    let sort_keys = options.get::<Option<bool>>("sort_keys")?.unwrap_or(false);
    let ascii = options.get::<Option<bool>>("ensure_ascii")?.unwrap_or(false);
    options.assert_all_used()?;
    if indent.is_some_and(|indent| indent > MAX_INDENT) {
        return Err(Error::new(
            ErrorKind::InvalidOperation,
            format!("tojson: an indent above {MAX_INDENT} is too deep"),
        ));
    }
    let mut text = serialize(value, indent)?;
    if sort_keys {
        let parsed: serde_json::Value = serde_json::from_str(&text).map_err(json_error)?;
        text = serialize(&sorted(parsed), indent)?;
    }
    if ascii {
        text = escape_non_ascii(&text);
    }
    state.consume_fuel((text.len() / JSON_BYTES_PER_FUEL) as u64)?;
    Ok(Value::from(text))
}

fn json_error(error: serde_json::Error) -> Error {
    Error::new(ErrorKind::InvalidOperation, format!("tojson: {error}"))
}

fn serialize(value: &impl Serialize, indent: Option<usize>) -> Result<String, Error> {
    let mut out = Limited { bytes: Vec::new() };
    match indent {
        Some(indent) => {
            let indent = " ".repeat(indent);
            let formatter = PrettyFormatter::with_indent(indent.as_bytes());
            value.serialize(&mut serde_json::Serializer::with_formatter(&mut out, formatter))
        }
        None => {
            value.serialize(&mut serde_json::Serializer::with_formatter(&mut out, Spaced(CompactFormatter)))
        }
    }
    .map_err(json_error)?;
    String::from_utf8(out.bytes)
        .map_err(|_| Error::new(ErrorKind::InvalidOperation, "tojson: the text is not UTF-8"))
}

/// Objects with their keys in order, all the way down.
fn sorted(value: serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::Array(items) => items.into_iter().map(sorted).collect(),
        serde_json::Value::Object(entries) => {
            let mut entries: Vec<_> = entries.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            serde_json::Value::Object(entries.into_iter().collect())
        }
        other => other,
    }
}

/// Writes every character beyond ASCII as `\uXXXX`; in JSON text such characters stand in strings only.
fn escape_non_ascii(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_ascii() {
            out.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    out
}

/// A space after each comma and colon, as Python writes JSON on one line.
struct Spaced(CompactFormatter);

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object_value(out)?;
        out.write_all(b" ")
    }
}

/// Bytes up to [`MAX_JSON_BYTES`].
struct Limited {
    bytes: Vec<u8>,
}

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > MAX_JSON_BYTES - self.bytes.len() {
            return Err(io::Error::other(format!("the JSON text is longer than {MAX_JSON_BYTES} bytes")));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

//! The key–value part of a GGUF file, with getters by type.

use std::collections::HashMap;

use super::value::{Array, Strings, Value};
use crate::error::{Error, Quoted, Result};

/// The metadata of a GGUF file: values by key, in file order.
///
/// For each type there is a getter that wants the key (`u64`, `str` …) and one that allows it to be missing
/// (`get_u64`, `get_str` …); both refuse a value of another type. Integers of any width serve where they fit.
///
/// ```
/// use holdall_formats::gguf::{Metadata, Value};
///
/// let mut metadata = Metadata::default();
/// metadata.insert("llama.block_count", Value::U32(30));
/// assert_eq!(metadata.u64("llama.block_count")?, 30);
/// assert_eq!(metadata.get_f32("llama.rope.freq_base")?, None);
/// assert_eq!(
///     metadata.str("llama.block_count").unwrap_err().to_string(),
///     "llama.block_count: wanted a string, got u32",
/// );
/// # Ok::<(), holdall_formats::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Metadata {
    /// For messages; empty if not read from a file.
    file: String,
    entries: Vec<(String, Value)>,
    index: HashMap<String, usize>,
}

impl PartialEq for Metadata {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
    }
}

macro_rules! getters {
    ($($(#[$doc:meta])* $want:ident, $get:ident, $t:ty, $wanted:literal, $as:expr;)*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        /// If the key is missing or its value has another type.
        pub fn $want(&self, key: &str) -> Result<$t> {
            self.$get(key)?.ok_or_else(|| self.missing(key))
        }

        $(#[$doc])*
        /// `None` if the key is missing.
        ///
        /// # Errors
        /// If its value has another type.
        pub fn $get(&self, key: &str) -> Result<Option<$t>> {
            self.typed(key, $wanted, $as)
        }
    )*};
}

impl Metadata {
    getters! {
        /// An integer that is not negative.
        u64, get_u64, u64, "an integer that is not negative", Value::as_u64;
        /// An integer.
        i64, get_i64, i64, "an integer", Value::as_i64;
        /// An integer that is not negative, as a size.
        usize, get_usize, usize, "a size", |v| v.as_u64().and_then(|v| usize::try_from(v).ok());
        /// An integer that fits 32 bits without sign.
        u32, get_u32, u32, "an unsigned 32-bit integer", |v| v.as_u64().and_then(|v| u32::try_from(v).ok());
        /// A float, rounded to binary32.
        f32, get_f32, f32, "a float", |v| v.as_f64().map(|v| v as f32);
        /// A float.
        f64, get_f64, f64, "a float", Value::as_f64;
        /// A truth value.
        bool, get_bool, bool, "a bool", Value::as_bool;
        /// A text.
        str, get_str, &str, "a string", Value::as_str;
        /// A list of texts.
        strings, get_strings, &Strings, "an array of strings", Value::as_strings;
        /// An array of any type.
        array, get_array, &Array, "an array", Value::as_array;
    }

    pub(super) fn of_file(name: &str) -> Self {
        Self { file: name.to_owned(), ..Self::default() }
    }

    /// The value under a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.index.get(key).map(|&i| &self.entries[i].1)
    }

    /// Keys and values in file order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.entries.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// Number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Sets a value; a key that exists keeps its place.
    pub fn insert(&mut self, key: impl Into<String>, value: Value) {
        let key = key.into();
        if let Some(&i) = self.index.get(&key) {
            self.entries[i].1 = value;
        } else {
            self.index.insert(key.clone(), self.entries.len());
            self.entries.push((key, value));
        }
    }

    fn typed<'a, T>(
        &'a self,
        key: &str,
        wanted: &str,
        get: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        get(value).map(Some).ok_or_else(|| {
            self.blame(Error::malformed(format!("wanted {wanted}, got {}", value.type_name())), key)
        })
    }

    fn missing(&self, key: &str) -> Error {
        self.blame(Error::not_found(format!("no metadata key {}", Quoted(key))), key)
    }

    fn blame(&self, error: Error, key: &str) -> Error {
        let error = if error.kind() == crate::ErrorKind::NotFound { error } else { error.in_field(key) };
        if self.file.is_empty() { error } else { error.in_file(&self.file) }
    }
}

//! Lists of an entry an axis.

use std::fmt;
use std::ops::{Deref, DerefMut};

use smallvec::SmallVec;

/// A list that up to four entries make without an allocation, and that is copied as memory: graphs are full of them.
#[derive(PartialEq, Eq, Hash)]
pub struct Short<T: Copy>(SmallVec<[T; 4]>);

impl<T: Copy> Short<T> {
    /// No entries.
    pub fn new() -> Self {
        Self(SmallVec::new())
    }

    /// `n` times the same entry.
    pub fn from_elem(entry: T, n: usize) -> Self {
        Self(SmallVec::from_elem(entry, n))
    }

    /// A copy of these entries.
    pub fn from_slice(entries: &[T]) -> Self {
        Self(SmallVec::from_slice(entries))
    }

    /// Adds an entry at the end.
    pub fn push(&mut self, entry: T) {
        self.0.push(entry);
    }

    /// Takes the last entry.
    pub fn pop(&mut self) -> Option<T> {
        self.0.pop()
    }

    /// Puts an entry before the one at `index`, or at the end.
    ///
    /// # Panics
    /// When `index` is beyond the end.
    pub fn insert(&mut self, index: usize, entry: T) {
        self.0.insert(index, entry);
    }

    /// Puts several entries before the one at `index`, or at the end.
    ///
    /// # Panics
    /// When `index` is beyond the end.
    pub fn insert_many(&mut self, index: usize, entries: impl IntoIterator<Item = T>) {
        self.0.insert_many(index, entries);
    }

    /// Takes the entry at `index`.
    ///
    /// # Panics
    /// When there is none.
    pub fn remove(&mut self, index: usize) -> T {
        self.0.remove(index)
    }

    /// Drops all entries from `len` on.
    pub fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
    }

    /// Adds these entries at the end.
    pub fn extend_from_slice(&mut self, entries: &[T]) {
        self.0.extend_from_slice(entries);
    }
}

impl<T: Copy> Extend<T> for Short<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, entries: I) {
        self.0.extend(entries);
    }
}

impl<T: Copy> Clone for Short<T> {
    fn clone(&self) -> Self {
        Self::from_slice(self)
    }
}

impl<T: Copy> Default for Short<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Copy + fmt::Debug> fmt::Debug for Short<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: Copy> Deref for Short<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: Copy> DerefMut for Short<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}

impl<T: Copy> From<&[T]> for Short<T> {
    fn from(entries: &[T]) -> Self {
        Self::from_slice(entries)
    }
}

impl<T: Copy, const N: usize> From<[T; N]> for Short<T> {
    fn from(entries: [T; N]) -> Self {
        Self::from_slice(&entries)
    }
}

impl<T: Copy> From<Vec<T>> for Short<T> {
    fn from(entries: Vec<T>) -> Self {
        Self(entries.into())
    }
}

impl<T: Copy> FromIterator<T> for Short<T> {
    fn from_iter<I: IntoIterator<Item = T>>(entries: I) -> Self {
        Self(entries.into_iter().collect())
    }
}

impl<T: Copy> IntoIterator for Short<T> {
    type Item = T;
    type IntoIter = smallvec::IntoIter<[T; 4]>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, T: Copy> IntoIterator for &'a Short<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<'a, T: Copy> IntoIterator for &'a mut Short<T> {
    type Item = &'a mut T;
    type IntoIter = std::slice::IterMut<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter_mut()
    }
}

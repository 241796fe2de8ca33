//! Things that wait for the device before they may be destroyed.

pub(crate) struct RetireList<T> {
    items: Vec<T>,
}

impl<T> Default for RetireList<T> {
    fn default() -> Self {
        Self { items: Vec::new() }
    }
}

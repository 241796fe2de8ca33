//! Which transformation is tracing which nodes.
//!
//! A transformation runs in a scope with a number. Nodes made from its inputs carry the number, and keep their graph
//! through evaluation while the scope is open, so that a value may be looked at inside `vjp` without cutting it.

use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::RwLock;

use crate::Array;

static NEXT: AtomicU32 = AtomicU32::new(1);
static OPEN: RwLock<Vec<u32>> = RwLock::new(Vec::new());
/// How many scopes are open, so that the common case of none costs one load.
static COUNT: AtomicU32 = AtomicU32::new(0);

/// An open scope; closed when dropped.
#[derive(Debug)]
pub(crate) struct Scope(u32);

impl Scope {
    pub fn open() -> Self {
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        OPEN.write().push(id);
        COUNT.fetch_add(1, Ordering::Release);
        Self(id)
    }

    pub fn id(&self) -> u32 {
        self.0
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        OPEN.write().retain(|id| *id != self.0);
        COUNT.fetch_sub(1, Ordering::Release);
    }
}

/// Whether a scope still runs.
pub(crate) fn is_open(id: u32) -> bool {
    id != 0 && COUNT.load(Ordering::Acquire) != 0 && OPEN.read().contains(&id)
}

/// The innermost open scope that any of the inputs belongs to.
pub(crate) fn of(inputs: &[Array]) -> u32 {
    if COUNT.load(Ordering::Acquire) == 0 {
        return 0;
    }
    inputs.iter().map(|x| x.node.trace).filter(|id| is_open(*id)).max().unwrap_or(0)
}

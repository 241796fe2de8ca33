//! Lazy arrays: graph, ops, transforms, scheduler and backend traits.

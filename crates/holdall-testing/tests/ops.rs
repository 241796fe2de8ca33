//! Every op against plain implementations, over types and layouts.

#[path = "ops/random.rs"]
mod random;
#[path = "ops/reductions.rs"]
mod reductions;
#[path = "ops/sorting.rs"]
mod sorting;

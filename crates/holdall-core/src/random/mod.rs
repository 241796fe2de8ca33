//! Random numbers: lazy, reproducible, the same on every device.
//!
//! Every draw follows from a key (uint32 of shape `[2]`) alone. Functions take one, or split one off the state that each
//! thread keeps and [`seed`] sets. Keys, bits, uniform numbers, integers and choices are MLX's to the bit for the same
//! seed; numbers that go through logarithms or inverse error functions agree to rounding.

mod bits;
mod categorical;
mod distributions;
mod state;

pub use bits::{RandomBits, bits};
pub use categorical::{categorical, categorical_samples};
pub use distributions::{
    bernoulli, gumbel, laplace, normal, permutation, permuted, randint, truncated_normal, uniform,
};
pub use state::{key, seed, set_state, split, state};

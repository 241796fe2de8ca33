//! Random bits from a key.

use crate::Array;
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::op::{Derivative, Primitive, Spec, Specs};
use crate::shape::Dims;

/// Uniformly distributed unsigned integers that follow from a key (uint32 of shape `[2]`) alone.
///
/// Word `i` of the `n` 32-bit words that the result takes is found with Threefry-2x32 of 20 rounds: with `h = ⌈n / 2⌉`,
/// words `i` and `i + h` are the two outputs for the counter `(i, i + h)`, for `i + h < n`; the middle word of an odd
/// number is the first output for `(h - 1, 0)`. Narrower integers are the words' bytes in order, least significant first.
///
/// # Source
/// Salmon, Moraes, Dror and Shaw, *Parallel Random Numbers: As Easy as 1, 2, 3*, 2011; the counters are laid out as in
/// MLX and JAX.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RandomBits {
    /// Shape of the result.
    pub shape: Dims,
    /// Bits of an element: 8, 16 or 32.
    pub width: u8,
}

impl Primitive for RandomBits {
    fn name(&self) -> &'static str {
        "random_bits"
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Specs> {
        let key = inputs[0];
        if key.shape[..] != [2] || key.dtype != Dtype::Uint32 {
            return Err(Error::argument(
                "random_bits",
                format!("wanted a key of 2 uint32, got {} of shape {:?}", key.dtype, key.shape),
            ));
        }
        let dtype = match self.width {
            8 => Dtype::Uint8,
            16 => Dtype::Uint16,
            32 => Dtype::Uint32,
            other => {
                return Err(Error::argument(
                    "random_bits",
                    format!("wanted a width of 8, 16 or 32 bits, got {other}"),
                ));
            }
        };
        Ok(std::iter::once(Spec { shape: self.shape.clone(), dtype }).collect())
    }

    fn derivative(&self) -> Derivative {
        Derivative::Zero
    }
}

/// Uniformly distributed uint8, uint16 or uint32, as `width` says, from `key` or from the thread's own state.
///
/// # Errors
/// When `width` is not 8, 16 or 32, or the key is none.
#[track_caller]
pub fn bits(shape: &[usize], width: u8, key: Option<&Array>) -> Result<Array> {
    let key = super::state::key_or_next(key)?;
    Array::apply(RandomBits { shape: shape.into(), width }, &[&key])
}

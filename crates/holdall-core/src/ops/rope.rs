//! Rotary position embedding.

use crate::Array;
use crate::dtype::Dtype;
use crate::error::{Error, Origin, Result};
use crate::op::{Derivative, Primitive, Spec, Specs};

/// Rotates pairs of the first `dims` features by angles that grow with the position. Inputs: `x` `[batch, …, T, D]`, the
/// offset of the first position (an int32 scalar, or one a batch entry), and `dims/2` periods if there is no base.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rope {
    /// How many features rotate; even.
    pub dims: usize,
    /// Pairs are neighbours (`2i`, `2i+1`) instead of halves (`i`, `i + dims/2`).
    pub traditional: bool,
    base: Option<u64>,
    scale: u64,
    /// Whether angles turn the other way: the transpose of the rotation.
    pub inverse: bool,
}

impl Rope {
    /// Frequencies are `base^(-2i/dims)`; nothing when periods are an input.
    pub fn base(&self) -> Option<f64> {
        self.base.map(f64::from_bits)
    }

    /// Positions are multiplied by this.
    pub fn scale(&self) -> f64 {
        f64::from_bits(self.scale)
    }
}

impl Primitive for Rope {
    fn name(&self) -> &'static str {
        "rope"
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Specs> {
        let (x, offset) = (inputs[0], inputs[1]);
        if x.shape.len() < 3 {
            return Err(Error::shape(
                "rope",
                format!("wanted at least three dimensions, got shape {:?}", x.shape),
            ));
        }
        let features = x.shape[x.shape.len() - 1];
        if !self.dims.is_multiple_of(2) || self.dims > features {
            return Err(Error::argument(
                "rope",
                format!("cannot rotate {} of {features} features", self.dims),
            ));
        }
        if !x.dtype.is_floating() {
            return Err(Error::dtype("rope", format!("wanted a floating type, got {}", x.dtype)));
        }
        if !(offset.shape.is_empty() || offset.shape[..] == [x.shape[0]] || offset.shape[..] == [1]) {
            return Err(Error::shape(
                "rope",
                format!("wanted one offset or {}, got shape {:?}", x.shape[0], offset.shape),
            ));
        }
        if let Some(periods) = inputs.get(2)
            && periods.shape[..] != [self.dims / 2]
        {
            return Err(Error::shape(
                "rope",
                format!("wanted {} periods, got shape {:?}", self.dims / 2, periods.shape),
            ));
        }
        Ok(std::iter::once(x.clone()).collect())
    }

    fn derivative(&self) -> Derivative {
        Derivative::Multilinear
    }

    fn transpose(&self, inputs: &[Array], cotangent: &Array, input: usize) -> Result<Option<Array>> {
        if input != 0 {
            // Periods are floating, but they are constants of the model.
            return Err(Error::new(crate::ErrorKind::Gradient, "rope", "has no derivative by its periods"));
        }
        let back = Self { inverse: !self.inverse, ..self.clone() };
        let others: Vec<&Array> = std::iter::once(cotangent).chain(&inputs[1..]).collect();
        Array::apply(back, &others).map(Some)
    }
}

/// How [`Array::rope`] rotates.
#[derive(Clone, Copy, Debug)]
pub struct RopeOptions<'a> {
    /// How many features rotate.
    pub dims: usize,
    /// Pairs are neighbours instead of halves.
    pub traditional: bool,
    /// Frequencies are `base^(-2i/dims)`. Exactly one of base and periods is given.
    pub base: Option<f64>,
    /// Positions are multiplied by this.
    pub scale: f64,
    /// One period for each pair, `1 / frequency`; infinity does not rotate.
    pub periods: Option<&'a Array>,
}

impl Array {
    /// Rotary position embedding of `[batch, …, T, D]`; position `t` counts from `offset`, an integer scalar or one
    /// for each batch entry. Computed in float32.
    ///
    /// # Errors
    /// When shapes do not fit, the offset is not an integer, or base and periods are both given or both missing.
    #[track_caller]
    pub fn rope(&self, options: RopeOptions<'_>, offset: &Self) -> Result<Self> {
        let origin = Origin::caller();
        if options.base.is_some() == options.periods.is_some() {
            return Err(Error::argument("rope", "wanted exactly one of base and periods").at(origin));
        }
        if !offset.dtype().is_integer() {
            return Err(
                Error::dtype("rope", format!("wanted an integer offset, got {}", offset.dtype())).at(origin)
            );
        }
        let op = Rope {
            dims: options.dims,
            traditional: options.traditional,
            base: options.base.map(f64::to_bits),
            scale: options.scale.to_bits(),
            inverse: false,
        };
        let offset = offset.astype(Dtype::Int32);
        match options.periods {
            Some(periods) => Self::apply(op, &[self, &offset, &periods.astype(Dtype::Float32)]),
            None => Self::apply(op, &[self, &offset]),
        }
    }
}

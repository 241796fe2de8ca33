//! Derivatives that users give, for functions and for kernels.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::Array;
use crate::error::{Error, ErrorKind, Result};

/// Primals, outputs, directions → directions; nothing stands for zero.
type Rule = dyn Fn(&[Array], &[Array], &[Array]) -> Result<Vec<Option<Array>>> + Send + Sync;

/// Inputs, which of them are batched → outputs.
type Batching = dyn Fn(&[Array], &[bool]) -> Result<Vec<Array>> + Send + Sync;

/// A rule for each mode, or none. Equal when they are the very same closures.
#[derive(Clone, Default)]
pub(crate) struct Rules {
    vjp: Option<Arc<Rule>>,
    jvp: Option<Arc<Rule>>,
    vmap: Option<Arc<Batching>>,
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [vjp, jvp, vmap] = [self.vjp.is_some(), self.jvp.is_some(), self.vmap.is_some()];
        write!(f, "{{ vjp: {vjp}, jvp: {jvp}, vmap: {vmap} }}")
    }
}

impl PartialEq for Rules {
    fn eq(&self, other: &Self) -> bool {
        self.addresses() == other.addresses()
    }
}

impl Eq for Rules {}

impl Hash for Rules {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.addresses().hash(state);
    }
}

fn erased<R: Into<Option<Array>>>(
    rule: impl Fn(&[Array], &[Array], &[Array]) -> Result<Vec<R>> + Send + Sync + 'static,
) -> Arc<Rule> {
    Arc::new(move |primals: &[Array], outputs: &[Array], directions: &[Array]| {
        Ok(rule(primals, outputs, directions)?.into_iter().map(Into::into).collect())
    })
}

impl Rules {
    /// Where the closures are: who has the same ones has them for as long.
    fn addresses(&self) -> [Option<*const ()>; 3] {
        let of = |rule: &Option<Arc<Rule>>| rule.as_ref().map(|rule| Arc::as_ptr(rule).cast());
        [of(&self.vjp), of(&self.jvp), self.vmap.as_ref().map(|rule| Arc::as_ptr(rule).cast())]
    }

    pub fn set_vjp<R: Into<Option<Array>>>(
        &mut self,
        rule: impl Fn(&[Array], &[Array], &[Array]) -> Result<Vec<R>> + Send + Sync + 'static,
    ) {
        self.vjp = Some(erased(rule));
    }

    pub fn set_jvp<R: Into<Option<Array>>>(
        &mut self,
        rule: impl Fn(&[Array], &[Array], &[Array]) -> Result<Vec<R>> + Send + Sync + 'static,
    ) {
        self.jvp = Some(erased(rule));
    }

    pub fn set_vmap(
        &mut self,
        rule: impl Fn(&[Array], &[bool]) -> Result<Vec<Array>> + Send + Sync + 'static,
    ) {
        self.vmap = Some(Arc::new(rule));
    }

    /// The outputs over a batch, if there is a rule for them.
    pub fn vmap(&self, inputs: &[Array], is_batched: &[bool]) -> Option<Result<Vec<Array>>> {
        Some(self.vmap.as_ref()?(inputs, is_batched))
    }

    pub fn has_both(&self) -> bool {
        self.vjp.is_some() && self.jvp.is_some()
    }

    /// Tangents of the outputs, if there is a rule for them.
    pub fn jvp(
        &self,
        op: &'static str,
        primals: &[Array],
        outputs: &[Array],
        tangents: &[Option<Array>],
    ) -> Option<Result<Vec<Option<Array>>>> {
        let rule = self.jvp.as_ref()?;
        let made = filled(tangents, primals).and_then(|t| rule(primals, outputs, &t));
        Some(made.and_then(|made| checked(op, made, outputs)))
    }

    /// Cotangents of the primals, if there is a rule for them.
    pub fn vjp(
        &self,
        op: &'static str,
        primals: &[Array],
        outputs: &[Array],
        cotangents: &[Option<Array>],
    ) -> Option<Result<Vec<Option<Array>>>> {
        let rule = self.vjp.as_ref()?;
        let made = filled(cotangents, outputs).and_then(|c| rule(primals, outputs, &c));
        Some(made.and_then(|made| checked(op, made, primals)))
    }
}

fn filled(given: &[Option<Array>], like: &[Array]) -> Result<Vec<Array>> {
    given.iter().zip(like).map(|(t, x)| t.clone().map_or_else(|| super::zeros_like(x), Ok)).collect()
}

fn checked(op: &'static str, made: Vec<Option<Array>>, like: &[Array]) -> Result<Vec<Option<Array>>> {
    let fits = |(t, x): (&Option<Array>, &Array)| t.as_ref().is_none_or(|t| t.shape() == x.shape());
    if made.len() == like.len() && made.iter().zip(like).all(fits) {
        return Ok(made);
    }
    let made =
        made.iter().map(|t| t.as_ref().map_or_else(|| "zero".to_owned(), |t| format!("{:?}", t.shape())));
    let wanted = like.iter().map(|x| format!("{:?}", x.shape()));
    Err(Error::new(
        ErrorKind::Gradient,
        op,
        format!(
            "a rule gave arrays of shapes {}, wanted {}",
            made.collect::<Vec<_>>().join(", "),
            wanted.collect::<Vec<_>>().join(", ")
        ),
    ))
}

//! Derivatives that users give, for functions and for kernels.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::Array;
use crate::error::{Error, ErrorKind, Result};

/// Primals, outputs, directions → directions; nothing stands for zero.
type Rule = dyn Fn(&[Array], &[Array], &[Array]) -> Result<Vec<Option<Array>>> + Send + Sync;

/// A rule for each mode, or none. Equal when they are the very same closures.
#[derive(Clone, Default)]
pub(crate) struct Rules {
    vjp: Option<Arc<Rule>>,
    jvp: Option<Arc<Rule>>,
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{ vjp: {}, jvp: {} }}", self.vjp.is_some(), self.jvp.is_some())
    }
}

impl PartialEq for Rules {
    fn eq(&self, other: &Self) -> bool {
        let same = |a: &Option<Arc<Rule>>, b: &Option<Arc<Rule>>| match (a, b) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        };
        same(&self.vjp, &other.vjp) && same(&self.jvp, &other.jvp)
    }
}

impl Eq for Rules {}

impl Hash for Rules {
    fn hash<H: Hasher>(&self, state: &mut H) {
        [&self.vjp, &self.jvp].map(|rule| rule.as_ref().map(|r| Arc::as_ptr(r).cast::<()>())).hash(state);
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

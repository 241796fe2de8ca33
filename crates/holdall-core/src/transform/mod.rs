//! Transformations of functions: derivatives forwards ([`jvp`]) and backwards ([`vjp`], [`grad`], [`value_and_grad`]), and
//! batching ([`vmap`]).
//!
//! A transformation calls the function once with *tracers*: fresh copies of its inputs, which cost nothing. It then
//! walks the graph between them and what the function returned, without recursion, and builds the derivative as more
//! graph. So transformations nest to any depth, and values may be looked at inside of the function. What does not come
//! from the tracers is constant.
//!
//! Each op states its derivative once ([`Derivative`](crate::op::Derivative), or its row in the elementwise table), and
//! both modes follow from it. An op without one is an error that names it and where it was built, never zero.
//!
//! Derivatives flow through floating and complex arrays. Integers and bool have none: a cast to them stops the flow,
//! and their cotangents are zero. A holomorphic function's cotangents are multiplied by its complex derivative as it
//! is, not conjugated, as MLX does; where a function is not holomorphic (`real`, `imag`, `conjugate`, the modulus), asking
//! is an error.

mod custom;
mod jvp;
mod rules;
mod tape;
mod vjp;
mod vmap;

pub use custom::{CustomFunction, StopGradient, stop_gradient};
pub(crate) use rules::Rules;
use tape::Tape;
pub(crate) use vmap::aligned;
pub use vmap::vmap;

use crate::Array;
use crate::dtype::Dtype;
use crate::error::{Error, ErrorKind, Origin, Result};
use crate::op::Op;
use crate::scalar::Scalar;
use crate::stream;
use crate::trace::Scope;

/// A scope's copy of an array.
#[track_caller]
pub(crate) fn tracer(scope: &Scope, x: &Array) -> Array {
    let (inputs, outputs) =
        (std::iter::once(x.clone()).collect(), std::iter::once(x.spec().clone()).collect());
    let origin = Origin::caller();
    let node =
        stream::within(x.node.stream, || Array::traced(Op::Alias, inputs, outputs, origin, scope.label(x)));
    Array::only(node)
}

#[track_caller]
fn tracers(scope: &Scope, primals: &[Array]) -> Vec<Array> {
    primals.iter().map(|x| tracer(scope, x)).collect()
}

fn zeros_like(x: &Array) -> Result<Array> {
    stream::within(x.node.stream, || Array::constant(Scalar::from_i64(0, x.dtype())).broadcast_to(x.shape()))
}

/// A direction for an array: of its shape, in its type; nothing for integers and bool.
fn direction(op: &'static str, what: &str, name: &str, x: &Array, t: &Array) -> Result<Option<Array>> {
    if x.shape() != t.shape() {
        return Err(Error::shape(
            op,
            format!("{what} shape {:?} does not match {name} shape {:?}", x.shape(), t.shape()),
        ));
    }
    if !x.dtype().is_inexact() {
        return Ok(None);
    }
    if t.dtype() == Dtype::Complex64 && x.dtype() != Dtype::Complex64 {
        return Err(Error::dtype(op, format!("wanted a {name} of {}, got {}", x.dtype(), t.dtype())));
    }
    Ok(Some(t.astype(x.dtype())))
}

fn same_number(op: &'static str, what: &str, n: usize, name: &str, m: usize) -> Result<()> {
    if n != m {
        return Err(Error::argument(
            op,
            format!("number of {what} ({n}) does not match number of {name} ({m})"),
        ));
    }
    Ok(())
}

/// The outputs of `f` at `primals`, and how they change when the primals change by `tangents`: the product of the
/// Jacobian with a vector. Each tangent has the shape of its primal and is converted to its type; those of integers are
/// ignored, and those of integer outputs are zero.
///
/// # Errors
/// What `f` returns; [`ErrorKind::Gradient`] when an op on the way has no derivative; when tangents do not fit.
#[track_caller]
pub fn jvp(
    f: impl FnOnce(&[Array]) -> Result<Vec<Array>>,
    primals: &[Array],
    tangents: &[Array],
) -> Result<(Vec<Array>, Vec<Array>)> {
    let origin = Origin::caller();
    let given = || -> Result<Vec<_>> {
        same_number("jvp", "inputs", primals.len(), "tangents", tangents.len())?;
        primals.iter().zip(tangents).map(|(x, t)| direction("jvp", "input", "tangent", x, t)).collect()
    };
    let given = given().map_err(|e| e.at(origin))?;
    let scope = Scope::open();
    let inputs = tracers(&scope, primals);
    let outputs = f(&inputs)?;
    let tape = Tape::new(&scope, &inputs, &outputs)?;
    let made = jvp::push(&tape, &given)?;
    let of = |y: &Array| match tape.find(y).and_then(|i| made[i][y.index as usize].clone()) {
        Some(t) => Ok(t),
        None => zeros_like(y),
    };
    let tangents = outputs.iter().map(of).collect::<Result<_>>()?;
    drop(scope);
    tape.release();
    Ok((outputs, tangents))
}

/// The outputs of `f` at `primals`, and the product of `cotangents` with the Jacobian: one array for each primal, of its
/// shape and type. Each cotangent has the shape of its output and is converted to its type. Cotangents of integer
/// primals, and of those that no output depends on, are zero.
///
/// # Errors
/// What `f` returns; [`ErrorKind::Gradient`] when an op on the way has no derivative; when cotangents do not fit.
#[track_caller]
pub fn vjp(
    f: impl FnOnce(&[Array]) -> Result<Vec<Array>>,
    primals: &[Array],
    cotangents: &[Array],
) -> Result<(Vec<Array>, Vec<Array>)> {
    let origin = Origin::caller();
    pull_back(f, primals, |outputs| {
        let given = || -> Result<Vec<_>> {
            same_number("vjp", "outputs", outputs.len(), "cotangents", cotangents.len())?;
            let each = outputs.iter().zip(cotangents);
            each.map(|(y, c)| direction("vjp", "output", "cotangent", y, c)).collect()
        };
        given().map_err(|e| e.at(origin))
    })
}

#[track_caller]
fn pull_back(
    f: impl FnOnce(&[Array]) -> Result<Vec<Array>>,
    primals: &[Array],
    cotangents: impl FnOnce(&[Array]) -> Result<Vec<Option<Array>>>,
) -> Result<(Vec<Array>, Vec<Array>)> {
    let scope = Scope::open();
    let inputs = tracers(&scope, primals);
    let outputs = f(&inputs)?;
    let given = cotangents(&outputs)?;
    let tape = Tape::new(&scope, &inputs, &outputs)?;
    let seeds = outputs.iter().cloned().zip(given).filter_map(|(y, c)| Some((y, c?)));
    let made = vjp::pull(&tape, seeds)?;
    let grads = made.into_iter().zip(primals).map(|(c, x)| c.map_or_else(|| zeros_like(x), Ok));
    let grads = grads.collect::<Result<_>>()?;
    drop(scope);
    tape.release();
    Ok((outputs, grads))
}

/// A function that returns what `f` returns and the gradient of the first of it, a scalar, by the arguments numbered
/// `argnums`, in that order. The gradient by an integer argument is zero, in its type.
///
/// # Errors
/// The function made returns what `f` returns; [`ErrorKind::Gradient`] when the first output is not a floating scalar
/// or an op on the way has no derivative; [`ErrorKind::Argument`] when an argument does not exist.
///
/// ```no_run
/// use holdall_core::{Array, transform::value_and_grad};
///
/// let x = Array::scalar(3f32);
/// let (value, grads) = value_and_grad(|x| Ok(vec![x[0].square()?]), &[0])(&[x])?;
/// assert_eq!((value[0].item::<f32>()?, grads[0].item::<f32>()?), (9.0, 6.0));
/// # Ok::<(), holdall_core::Error>(())
/// ```
pub fn value_and_grad<F>(
    f: F,
    argnums: &[usize],
) -> impl Fn(&[Array]) -> Result<(Vec<Array>, Vec<Array>)> + use<F>
where
    F: Fn(&[Array]) -> Result<Vec<Array>>,
{
    let argnums = argnums.to_vec();
    move |arguments| differentiate("value_and_grad", &f, &argnums, arguments)
}

/// A function that returns the gradient of `f`, a scalar, by the arguments numbered `argnums`, in that order. The gradient
/// by an integer argument is zero, in its type.
///
/// # Errors
/// As for [`value_and_grad`].
///
/// ```no_run
/// use holdall_core::{Array, transform::grad};
///
/// let slope = grad(|x| x[0].sin(), &[0]);
/// let curvature = grad(|x| Ok(slope(x)?.remove(0)), &[0]);
/// assert_eq!(curvature(&[Array::scalar(0f32)])?[0].item::<f32>()?, 0.0);
/// # Ok::<(), holdall_core::Error>(())
/// ```
pub fn grad<F>(f: F, argnums: &[usize]) -> impl Fn(&[Array]) -> Result<Vec<Array>> + use<F>
where
    F: Fn(&[Array]) -> Result<Array>,
{
    let argnums = argnums.to_vec();
    move |arguments| Ok(differentiate("grad", |x: &[Array]| Ok(vec![f(x)?]), &argnums, arguments)?.1)
}

fn differentiate(
    op: &'static str,
    f: impl Fn(&[Array]) -> Result<Vec<Array>>,
    argnums: &[usize],
    arguments: &[Array],
) -> Result<(Vec<Array>, Vec<Array>)> {
    if let Some(missing) = argnums.iter().find(|i| **i >= arguments.len()) {
        return Err(Error::argument(
            op,
            format!("wanted the gradient by argument {missing}, there are {}", arguments.len()),
        ));
    }
    let primals: Vec<Array> = argnums.iter().map(|i| arguments[*i].clone()).collect();
    let with_tracers = |inputs: &[Array]| {
        let mut all = arguments.to_vec();
        argnums.iter().zip(inputs).for_each(|(i, x)| all[*i] = x.clone());
        f(&all)
    };
    let of_loss = |outputs: &[Array]| {
        let wrong = |what: String| Err(Error::new(ErrorKind::Gradient, op, what));
        let Some(loss) = outputs.first() else { return wrong("wanted a scalar loss, got no output".into()) };
        if !loss.shape().is_empty() {
            return wrong(format!(
                "wanted a scalar loss; output shape {:?} does not match cotangent shape []",
                loss.shape()
            ))
            .map_err(|e| e.at(loss.node.origin));
        }
        if !loss.dtype().is_inexact() {
            return wrong(format!("wanted a floating loss, got {}", loss.dtype()))
                .map_err(|e| e.at(loss.node.origin));
        }
        let mut given = vec![None; outputs.len()];
        given[0] = Some(Array::constant(Scalar::from_f64(1.0, loss.dtype())));
        Ok(given)
    };
    pull_back(with_tracers, &primals, of_loss)
}

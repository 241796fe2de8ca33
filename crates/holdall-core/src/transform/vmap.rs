//! Batching: a function of one example, over many at once.
//!
//! The function is called once, with placeholders that have the shape of one example. The graph that it gives is then built
//! again with arrays that have a leading batch axis: elementwise ops broadcast over it, structured ops by their
//! batching rule ([`Primitive::batch`]), others through their decomposition, and what has none of these runs example by example.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::Array;
use crate::error::{Error, ErrorKind, Origin, Result};
use crate::node::{Graph, Inputs, Node};
use crate::op::{Handle, Op, Primitive, Spec, Specs};
use crate::shape::axis_index;
use crate::stream;
use crate::trace::Scope;

const NAME: &str = "vmap";

/// Stands for one example of an array, which has no value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Example(Spec);

impl Primitive for Example {
    fn name(&self) -> &'static str {
        NAME
    }
    fn infer(&self, _: &[&Spec]) -> Result<Specs> {
        Ok(std::iter::once(self.0.clone()).collect())
    }
    fn decompose(&self, _: &[Array]) -> Option<Result<Vec<Array>>> {
        let what = "inside of vmap, an array stands for many and has no value to look at";
        Some(Err(Error::argument(NAME, what)))
    }
}

/// A node whose inputs are being visited.
struct Frame {
    node: Arc<Node>,
    op: Op,
    inputs: Inputs,
    next: usize,
}

/// What becomes of the nodes between the placeholders and the outputs.
struct Batch {
    scope: Scope,
    size: usize,
    /// The outputs of each visited node with a leading axis. Nodes are kept, so that no other gets their address.
    made: FxHashMap<*const Node, (Arc<Node>, Vec<Array>)>,
}

/// What `f` gives for each example of a batch, with the batch as the first axis of each output. `axes` says for each of `inputs`
/// which of its axes is the batch, counted from the back if negative; an input without one is the same for all examples. Outputs
/// that do not depend on the batch are repeated.
///
/// `f` is called once, with arrays that have no values: evaluating one inside of it is an error. It may contain any op, other
/// transformations, and be transformed itself.
///
/// # Errors
/// What `f` returns; when there are not as many axes as inputs, none of them is a batch, or batches differ in size.
///
/// ```
/// # use holdall_core::{Array, Dtype, transform::vmap};
/// # let run = || -> holdall_core::Result<()> {
/// // Products of pairs of vectors, the second of them columns.
/// let (a, b) = (Array::ones(&[8, 3], Dtype::Float32)?, Array::ones(&[3, 8], Dtype::Float32)?);
/// let dots = vmap(|x| Ok(vec![x[0].multiply(&x[1])?.sum(None, false)?]), &[a, b], &[Some(0), Some(1)])?;
/// assert_eq!(dots[0].shape(), [8]);
/// # Ok(()) };
/// ```
#[track_caller]
pub fn vmap(
    f: impl FnOnce(&[Array]) -> Result<Vec<Array>>,
    inputs: &[Array],
    axes: &[Option<i32>],
) -> Result<Vec<Array>> {
    let origin = Origin::caller();
    let (size, moved) = batches(inputs, axes).map_err(|e| e.at(origin))?;
    let mut batch = Batch { scope: Scope::open(), size, made: FxHashMap::default() };
    let mut examples = Vec::with_capacity(inputs.len());
    for (x, moved) in inputs.iter().zip(moved) {
        let Some(moved) = moved else {
            examples.push(x.clone());
            continue;
        };
        let spec = Spec { shape: moved.shape()[1..].into(), dtype: x.dtype() };
        let op = Op::Primitive(Handle(Arc::new(Example(spec.clone()))));
        let (outputs, label) = (std::iter::once(spec).collect(), batch.scope.label(x));
        let node = stream::within(x.node.stream, || Array::traced(op, Inputs::new(), outputs, origin, label));
        batch.made.insert(Arc::as_ptr(&node), (node.clone(), vec![moved]));
        examples.push(Array::only(node));
    }
    let outputs = f(&examples)?;
    batch.visit(&outputs)?;
    outputs.iter().map(|y| batch.repeated(y)).collect()
}

/// The size of the batch, and those inputs that have one with it as their first axis.
fn batches(inputs: &[Array], axes: &[Option<i32>]) -> Result<(usize, Vec<Option<Array>>)> {
    super::same_number(NAME, "inputs", inputs.len(), "axes", axes.len())?;
    let mut size = None;
    let mut moved = Vec::with_capacity(inputs.len());
    for (i, (x, axis)) in inputs.iter().zip(axes).enumerate() {
        let Some(axis) = axis else {
            moved.push(None);
            continue;
        };
        let at = axis_index(NAME, *axis, x.ndim())?;
        let n = x.shape()[at];
        if *size.get_or_insert(n) != n {
            let of = x.shape();
            return Err(Error::shape(
                NAME,
                format!(
                    "input {i} of shape {of:?} has {n} examples, those before have {}",
                    size.unwrap_or(n)
                ),
            ));
        }
        moved.push(Some(x.moveaxis(at as i32, 0)?));
    }
    let size = size.ok_or_else(|| Error::argument(NAME, "wanted an input with a batch axis, got none"))?;
    Ok((size, moved))
}

/// A batch of examples of fewer axes than `ndim`, with axes of size 1 between the batch and the example's own: so that it
/// broadcasts as its examples do.
pub(crate) fn aligned(x: &Array, ndim: usize) -> Result<Array> {
    let missing = std::iter::repeat_n(1, (ndim + 1).saturating_sub(x.ndim()));
    let shape: SmallVec<[usize; 6]> =
        x.shape()[..1].iter().copied().chain(missing).chain(x.shape()[1..].iter().copied()).collect();
    x.reshape_to(&shape)
}

impl Batch {
    /// An array with a batch axis, if it depends on the batch.
    fn find(&self, x: &Array) -> Option<&Array> {
        self.made.get(&Arc::as_ptr(&x.node)).map(|(_, outputs)| &outputs[x.index as usize])
    }

    /// An array with a batch axis.
    fn repeated(&self, x: &Array) -> Result<Array> {
        if let Some(found) = self.find(x) {
            return Ok(found.clone());
        }
        let shape: SmallVec<[usize; 4]> =
            std::iter::once(self.size).chain(x.shape().iter().copied()).collect();
        x.broadcast_to(&shape)
    }

    /// Builds everything that `arrays` depend on, without recursion.
    fn visit(&mut self, arrays: &[Array]) -> Result<()> {
        let mut stack: Vec<Frame> = Vec::new();
        for x in arrays {
            self.enter(&x.node, &mut stack)?;
            while let Some(frame) = stack.last_mut() {
                let next = frame.next;
                frame.next += 1;
                match frame.inputs.get(next) {
                    Some(x) => {
                        let node = x.node.clone();
                        self.enter(&node, &mut stack)?;
                    }
                    None => {
                        if let Some(frame) = stack.pop() {
                            self.leave(frame)?;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn enter(&mut self, node: &Arc<Node>, stack: &mut Vec<Frame>) -> Result<()> {
        let at = Arc::as_ptr(node);
        if !self.scope.contains(node.trace) || self.made.contains_key(&at) {
            return Ok(());
        }
        let graph = node.graph.lock().as_ref().map(|Graph { op, inputs }| (op.clone(), inputs.clone()));
        let Some((op, mut inputs)) = graph else {
            let what = "the graph of an array was cut by evaluation, it cannot be batched";
            return Err(Error::new(ErrorKind::Argument, NAME, what).at(node.origin));
        };
        let op = match op {
            Op::Decomposed(op) => {
                inputs.drain(..node.outputs.len());
                Op::Primitive(op)
            }
            op => op,
        };
        stack.push(Frame { node: node.clone(), op, inputs, next: 0 });
        Ok(())
    }

    /// Builds a node's outputs with a batch axis: those of its inputs are there.
    fn leave(&mut self, frame: Frame) -> Result<()> {
        let Frame { node, op, inputs, .. } = frame;
        let outputs =
            stream::within(node.stream, || self.build(&node, &op, &inputs)).map_err(|e| e.at(node.origin))?;
        let outputs = match outputs {
            Some(outputs) => outputs,
            // Through ops that are there in its place.
            None => {
                let parts = match &op {
                    Op::Primitive(op) => stream::within(node.stream, || op.0.decompose(&inputs)),
                    _ => None,
                };
                match parts {
                    Some(parts) => {
                        let parts = parts.map_err(|e| e.at(node.origin))?;
                        // As deep as ops are composed of each other, no deeper.
                        self.visit(&parts)?;
                        parts.iter().map(|y| self.repeated(y)).collect::<Result<_>>()?
                    }
                    None => stream::within(node.stream, || self.each(&op, &inputs))
                        .map_err(|e| e.at(node.origin))?,
                }
            }
        };
        self.made.insert(Arc::as_ptr(&node), (node, outputs));
        Ok(())
    }

    /// The outputs of an op that takes a batch as it is or by its rule.
    fn build(&self, node: &Node, op: &Op, inputs: &[Array]) -> Result<Option<Vec<Array>>> {
        let ndim = node.outputs[0].spec.shape.len();
        Ok(Some(match op {
            Op::Row(row) => {
                let aligned: SmallVec<[Array; 3]> = inputs
                    .iter()
                    .map(|x| match self.find(x) {
                        Some(batched) => aligned(batched, ndim),
                        None => Ok(x.clone()),
                    })
                    .collect::<Result<_>>()?;
                Array::elementwise(row, &aligned.iter().collect::<SmallVec<[&Array; 3]>>())?
            }
            Op::Cast(dtype) => vec![self.repeated(&inputs[0])?.astype(*dtype)],
            Op::Constant(_) => return Ok(None),
            Op::Alias | Op::Decomposed(_) => {
                inputs[..node.outputs.len()].iter().map(|x| self.repeated(x)).collect::<Result<_>>()?
            }
            Op::Primitive(op) => {
                let batched: SmallVec<[Array; 4]> =
                    inputs.iter().map(|x| self.find(x).unwrap_or(x).clone()).collect();
                let is_batched: SmallVec<[bool; 4]> = inputs.iter().map(|x| self.find(x).is_some()).collect();
                match op.0.batch(&batched, &is_batched, self.size) {
                    None => return Ok(None),
                    Some(made) => {
                        let made = made?;
                        self.check(node, &made)?;
                        made
                    }
                }
            }
        }))
    }

    fn check(&self, node: &Node, made: &[Array]) -> Result<()> {
        let fits = |(y, output): (&Array, &crate::node::Output)| {
            y.dtype() == output.spec.dtype
                && y.shape()
                    .split_first()
                    .is_some_and(|(n, rest)| *n == self.size && *rest == output.spec.shape[..])
        };
        if made.len() == node.outputs.len() && made.iter().zip(&node.outputs).all(fits) {
            return Ok(());
        }
        let got: Vec<String> = made.iter().map(|y| format!("{:?} of {}", y.shape(), y.dtype())).collect();
        let want = node.outputs.iter().map(|o| format!("{:?} of {}", o.spec.shape, o.spec.dtype));
        let want = want.collect::<Vec<_>>().join(", ");
        let message = format!(
            "a batching rule gave {}, wanted a batch of {} of each of {want}",
            got.join(", "),
            self.size
        );
        Err(Error::shape(NAME, message))
    }

    /// One example after the other.
    fn each(&self, op: &Op, inputs: &[Array]) -> Result<Vec<Array>> {
        let Op::Primitive(op) = op else { return Ok(Vec::new()) };
        let one = |i: usize| -> Result<Vec<Array>> {
            let arguments = inputs.iter().map(|x| match self.find(x) {
                Some(batched) => batched.slice_axis(0, i as i64, i as i64 + 1)?.squeeze(Some(&[0])),
                None => Ok(x.clone()),
            });
            Ok(Array::outputs_of(&Array::handle(op.clone(), arguments.collect::<Result<_>>()?)?))
        };
        if self.size == 0 {
            let specs: SmallVec<[&Spec; 4]> = inputs.iter().map(Array::spec).collect();
            let empty = op.0.infer(&specs)?.into_iter().map(|spec| {
                let shape: SmallVec<[usize; 4]> =
                    std::iter::once(0).chain(spec.shape.iter().copied()).collect();
                Array::zeros(&shape, spec.dtype)
            });
            return empty.collect();
        }
        let rows = (0..self.size).map(one).collect::<Result<Vec<_>>>()?;
        let stacked = (0..rows[0].len()).map(|k| {
            let column: Vec<&Array> = rows.iter().map(|row| &row[k]).collect();
            Array::stack(&column, 0)
        });
        stacked.collect()
    }
}

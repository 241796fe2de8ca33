//! Forward mode: tangents along the graph.

use super::tape::{Directions, Entry, Tape};
use crate::Array;
use crate::error::Result;
use crate::op::{Derivative, Handle, Op, Primitive};
use crate::pointwise::Row;

/// The tangents of the tape's entries, given those of its first ones.
pub(super) fn push(tape: &Tape, tangents: &[Option<Array>]) -> Result<Vec<Directions>> {
    let mut all: Vec<Directions> = tangents.iter().map(|t| std::iter::once(t.clone()).collect()).collect();
    for entry in &tape.entries[tape.tracers..] {
        let inputs: Vec<Option<Array>> = entry
            .inputs
            .iter()
            .map(|x| tape.find(x).and_then(|i| all[i][x.index as usize].clone()))
            .collect();
        let outputs = match inputs.iter().all(Option::is_none) {
            true => std::iter::repeat_n(None, entry.node.outputs.len()).collect(),
            false => entry.build(|| forward(entry, &inputs))?,
        };
        all.push(outputs);
    }
    Ok(all)
}

/// Tangents of an entry's outputs, given those of its inputs.
fn forward(entry: &Entry, tangents: &[Option<Array>]) -> Result<Directions> {
    let mut made = match &entry.op {
        Op::Row(row) => row_forward(entry, row, tangents)?,
        Op::Cast(dtype) => tangents.iter().map(|t| t.as_ref().map(|t| t.astype(*dtype))).collect(),
        Op::Constant(_) => Directions::from_elem(None, 1),
        Op::Alias => tangents.iter().cloned().collect(),
        Op::Primitive(op) | Op::Decomposed(op) => primitive_forward(entry, op, tangents)?,
    };
    made.resize(entry.node.outputs.len(), None);
    for (t, output) in made.iter_mut().zip(&entry.node.outputs) {
        let (shape, dtype) = (&output.spec.shape, output.spec.dtype);
        *t = match t.take().filter(|_| dtype.is_inexact()) {
            Some(t) => Some(t.astype(dtype).broadcast_to(shape)?),
            None => None,
        };
    }
    Ok(made)
}

fn row_forward(entry: &Entry, row: &Row, tangents: &[Option<Array>]) -> Result<Directions> {
    let Some(derivative) = row.derivative else { return Err(entry.refuse("has no derivative")) };
    let outputs = entry.outputs();
    let mut made = Directions::new();
    for j in 0..outputs.len() {
        let mut sum: Option<Array> = None;
        for (i, t) in tangents.iter().enumerate() {
            let part = t.as_ref().and_then(|t| derivative(&entry.inputs, &outputs, t, j, i));
            sum = match (sum, part) {
                (Some(a), Some(b)) => Some(a.add(b)?),
                (a, b) => a.or(b),
            };
        }
        made.push(sum);
    }
    Ok(made)
}

fn primitive_forward(entry: &Entry, op: &Handle, tangents: &[Option<Array>]) -> Result<Directions> {
    match op.0.derivative() {
        Derivative::Zero => Ok(Directions::new()),
        Derivative::Custom => Ok(op.0.jvp(&entry.inputs, &entry.outputs(), tangents)?.into_iter().collect()),
        Derivative::Multilinear => {
            let mut sum: Option<Array> = None;
            for (i, t) in tangents.iter().enumerate() {
                let Some(t) = t else { continue };
                let part = linear(entry, op, &*op.0, i, t)?;
                sum = Some(match sum {
                    Some(sum) => sum.add(part)?,
                    None => part,
                });
            }
            Ok(std::iter::once(sum).collect())
        }
        // The tape has replaced ops that are differentiated through their decomposition.
        Derivative::None | Derivative::Decompose => Err(entry.refuse("has no derivative")),
    }
}

/// The op with input `i` replaced by its tangent.
fn linear(entry: &Entry, handle: &Handle, op: &dyn Primitive, i: usize, tangent: &Array) -> Result<Array> {
    // An op that has no transpose by an input is not linear in it: the same declaration serves both modes. What is
    // built here is never evaluated.
    if op.transpose(&entry.inputs, &entry.outputs()[0], i)?.is_none() {
        return Err(entry.refuse(format!("has no derivative by input {i}")));
    }
    let mut inputs = entry.inputs.clone();
    inputs[i] = tangent.clone();
    Ok(Array::only(Array::handle(handle.clone(), inputs)?))
}

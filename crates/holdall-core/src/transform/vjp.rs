//! Reverse mode: cotangents back along the graph.

use super::tape::{Directions, Entry, Tape};
use crate::Array;
use crate::error::Result;
use crate::op::{Derivative, Handle, Op};
use crate::pointwise::Row;

/// The cotangents of the tape's inputs, given some of arrays on it; those of one array are summed.
pub(super) fn pull(tape: &Tape, seeds: impl Iterator<Item = (Array, Array)>) -> Result<Vec<Option<Array>>> {
    let mut all: Vec<Directions> =
        tape.entries.iter().map(|e| Directions::from_elem(None, e.node.outputs.len())).collect();
    for (output, seed) in seeds {
        if let Some(at) = tape.find(&output) {
            add_to(&mut all[at][output.index as usize], seed)?;
        }
    }
    for at in (tape.tracers..tape.entries.len()).rev() {
        let entry = &tape.entries[at];
        let cotangents = std::mem::take(&mut all[at]);
        if cotangents.iter().all(Option::is_none) {
            continue;
        }
        let wanted: Vec<Option<usize>> = entry.inputs.iter().map(|x| tape.find(x)).collect();
        entry.build(|| {
            let parts = backward(entry, &cotangents, &wanted)?;
            for ((x, place), part) in entry.inputs.iter().zip(&wanted).zip(parts) {
                if let (Some(place), Some(part)) = (place, part) {
                    let part = part.sum_to(x.shape())?.astype(x.dtype());
                    add_to(&mut all[*place][x.index as usize], part)?;
                }
            }
            Ok(())
        })?;
    }
    Ok(all.drain(..tape.tracers).map(|mut c| c[0].take()).collect())
}

fn add_to(sum: &mut Option<Array>, part: Array) -> Result<()> {
    *sum = Some(match sum.take() {
        Some(sum) => sum.add(part)?,
        None => part,
    });
    Ok(())
}

/// Cotangents of an entry's inputs, those that are wanted at least, given those of its outputs.
fn backward(
    entry: &Entry,
    cotangents: &[Option<Array>],
    wanted: &[Option<usize>],
) -> Result<Vec<Option<Array>>> {
    match &entry.op {
        Op::Row(row) => row_backward(entry, row, cotangents, wanted),
        Op::Cast(_) => {
            let dtype = entry.inputs[0].dtype();
            Ok(vec![cotangents[0].as_ref().map(|c| c.astype(dtype))])
        }
        Op::Constant(_) => Ok(vec![]),
        Op::Alias => Ok(cotangents.to_vec()),
        Op::Primitive(op) | Op::Decomposed(op) => primitive_backward(entry, op, cotangents, wanted),
    }
}

/// The Jacobian of an elementwise op is diagonal, so the table's tangent is the cotangent too.
fn row_backward(
    entry: &Entry,
    row: &Row,
    cotangents: &[Option<Array>],
    wanted: &[Option<usize>],
) -> Result<Vec<Option<Array>>> {
    let Some(derivative) = row.derivative else { return Err(entry.refuse("has no derivative")) };
    let outputs = entry.outputs();
    let mut made = Vec::with_capacity(entry.inputs.len());
    for (i, wanted) in wanted.iter().enumerate() {
        let mut sum: Option<Array> = None;
        for (j, c) in cotangents.iter().enumerate().filter(|_| wanted.is_some()) {
            if let Some(part) = c.as_ref().and_then(|c| derivative(&entry.inputs, &outputs, c, j, i)) {
                add_to(&mut sum, part)?;
            }
        }
        made.push(sum);
    }
    Ok(made)
}

fn primitive_backward(
    entry: &Entry,
    op: &Handle,
    cotangents: &[Option<Array>],
    wanted: &[Option<usize>],
) -> Result<Vec<Option<Array>>> {
    match op.0.derivative() {
        Derivative::Zero => Ok(vec![]),
        Derivative::Custom => op.0.vjp(&entry.inputs, &entry.outputs(), cotangents),
        Derivative::Multilinear => {
            let Some(cotangent) = &cotangents[0] else { return Ok(vec![]) };
            let transpose = |(i, wanted): (usize, &Option<usize>)| {
                if wanted.is_none() {
                    return Ok(None);
                }
                match op.0.transpose(&entry.inputs, cotangent, i)? {
                    Some(part) => Ok(Some(part)),
                    None => Err(entry.refuse(format!("has no derivative by input {i}"))),
                }
            };
            wanted.iter().enumerate().map(transpose).collect()
        }
        // The tape has replaced ops that are differentiated through their decomposition.
        Derivative::None | Derivative::Decompose => Err(entry.refuse("has no derivative")),
    }
}

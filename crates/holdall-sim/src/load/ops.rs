//! Built-in ops between custom kernels: squares of float32 with elements within ±1, of such squares.

use holdall_core::{Array, Dtype, random};

use super::kernels::Make;

/// All of them, with the name of the op that each is about.
pub(super) const OPS: [(&str, Make); 20] = [
    ("sin", |s| s.done(s.x.sin())),
    ("add", |s| {
        let sum = s.done(s.x.add(s.y))?;
        s.done(sum.multiply(0.5f32))
    }),
    ("multiply", |s| {
        let product = s.done(s.x.multiply(s.y))?;
        let sum = s.done(product.add(s.x))?;
        s.done(sum.multiply(0.5f32))
    }),
    ("cos", |s| {
        let difference = s.done(s.x.subtract(s.y))?;
        s.done(difference.cos())
    }),
    ("matmul", |s| {
        let product = s.done(s.x.matmul(s.y))?;
        s.done(product.multiply(1.0 / s.n as f32))
    }),
    ("matmul of views", |s| {
        let turned = s.done(s.x.transpose(&[]))?;
        let part = s.done(s.y.slice_axis(0, 0, s.n as i64))?;
        let product = s.done(turned.matmul(&part))?;
        s.done(product.multiply(1.0 / s.n as f32))
    }),
    ("softmax", |s| s.done(s.x.softmax(Some(&[-1]), false))),
    ("concatenate", |s| {
        let cut = s.random.below(s.n) as i64;
        let (a, b) = (s.done(s.x.slice_axis(0, cut, s.n as i64))?, s.done(s.y.slice_axis(0, 0, cut))?);
        s.done(Array::concatenate(&[&a, &b], Some(0)))
    }),
    ("slice_update", |s| {
        let n = s.n as i64;
        let (r, c) = (s.random.below(s.n - 1) as i64, s.random.below(s.n - 1) as i64);
        let part = s.done(s.y.slice_axis(0, 0, n - r))?;
        let part = s.done(part.slice_axis(1, 0, n - c))?;
        s.done(s.x.slice_update(&part, &[r, c], &[n, n], &[]))
    }),
    ("transpose", |s| {
        let turned = s.done(s.x.transpose(&[]))?;
        s.done(turned.multiply(s.y))
    }),
    ("broadcast_to", |s| {
        // A row has a small block of its own.
        let row = s.done(s.x.slice_axis(0, 0, 1))?;
        let row = s.done(row.reshape(&[-1]))?;
        let row = s.done(Ok(row.contiguous()))?;
        let rows = s.done(row.broadcast_to(&[s.n, s.n]))?;
        s.done(rows.multiply(s.y))
    }),
    ("reshape", |s| {
        let flat = s.done(s.x.reshape(&[-1]))?;
        let row = s.done(flat.slice_axis(0, 0, s.n as i64))?;
        let product = s.done(row.multiply(s.y))?;
        s.done(product.abs())
    }),
    ("sort", |s| {
        let axis = s.random.below(2) as i32;
        s.done(s.x.sort(Some(axis)))
    }),
    ("cumsum", |s| {
        let sums = s.done(s.x.cumsum(Some(1), false, true))?;
        s.done(sums.multiply(1.0 / s.n as f32))
    }),
    ("sum", |s| {
        let axis = s.random.below(2) as i32;
        let sums = s.done(s.x.sum(Some(&[axis]), true))?;
        let means = s.done(sums.multiply(0.5 / s.n as f32))?;
        let half = s.done(s.y.multiply(0.5f32))?;
        s.done(half.add(&means))
    }),
    ("rms_norm", |s| {
        let normed = s.done(s.x.rms_norm(None, 1e-2))?;
        let bounded = s.done(normed.tanh())?;
        s.done(bounded.multiply(0.75f32))
    }),
    ("select", |s| {
        let less = s.done(s.x.less(s.y))?;
        s.done(Array::select(&less, s.x, s.y))
    }),
    ("astype", |s| {
        let narrow = s.done(Ok(s.x.astype(Dtype::Float16)))?;
        let product = s.done(narrow.multiply(0.75f32))?;
        s.done(Ok(product.astype(Dtype::Float32)))
    }),
    ("roll", |s| {
        let (shift, axis) = (1 + s.random.below(s.n - 1) as i64, s.random.below(2) as i32);
        s.done(s.x.roll(&[shift], Some(&[axis])))
    }),
    ("random bits", |s| {
        let key = random::key(u64::from(s.salt))?;
        let noise = s.done(random::uniform(-1.0f32, 1.0f32, &[s.n, s.n], Dtype::Float32, Some(&key)))?;
        let product = s.done(noise.multiply(s.x))?;
        s.done(product.maximum(s.y))
    }),
];

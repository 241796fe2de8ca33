//! Derivatives of kernels: rules that are kernels themselves, against differences in float64.

use holdall::transform::{grad, jvp, vjp};
use holdall::{Array, Dtype, ErrorKind, MetalKernel, Result};

use super::support::{Rng, checks_kernels};

/// The four pixels around a point, in both kernels.
const CORNERS: &str = "
struct Corners { int2 at[4]; float weight[4]; float2 rest; };
Corners corners(float u, float v, int h, int w) {
    float2 p = float2(((u + 1) * w - 1) / 2, ((v + 1) * h - 1) / 2);
    float2 low = floor(p);
    Corners c;
    c.rest = p - low;
    for (int k = 0; k < 4; k++) {
        int2 d = int2(k & 1, k >> 1);
        c.at[k] = int2(low) + d;
        c.weight[k] = (d.x ? c.rest.x : 1 - c.rest.x) * (d.y ? c.rest.y : 1 - c.rest.y);
    }
    return c;
}
bool inside(int2 p, int h, int w) { return p.x >= 0 && p.x < w && p.y >= 0 && p.y < h; }";

/// An image `[h, w]` at points `[n, 2]` from -1 to 1, bilinear; 0 outside.
fn grid_sample() -> MetalKernel {
    let backward = MetalKernel::new(
        "grid_sample_backward",
        "uint n = thread_position_in_grid.x; int h = x_shape[0], w = x_shape[1];
         Corners c = corners(points[2 * n], points[2 * n + 1], h, w);
         float gu = 0, gv = 0;
         for (int k = 0; k < 4; k++) {
             if (!inside(c.at[k], h, w)) continue;
             int i = c.at[k].y * w + c.at[k].x;
             atomic_fetch_add_explicit(&dx[i], c.weight[k] * dy[n], memory_order_relaxed);
             gu += x[i] * (k & 1 ? 1 : -1) * (k >> 1 ? c.rest.y : 1 - c.rest.y);
             gv += x[i] * (k >> 1 ? 1 : -1) * (k & 1 ? c.rest.x : 1 - c.rest.x);
         }
         atomic_store_explicit(&dpoints[2 * n], gu * dy[n] * w / 2, memory_order_relaxed);
         atomic_store_explicit(&dpoints[2 * n + 1], gv * dy[n] * h / 2, memory_order_relaxed);",
    )
    .header(CORNERS)
    .inputs(["x", "points", "dy"])
    .outputs(["dx", "dpoints"])
    .atomic_outputs(true);
    MetalKernel::new(
        "grid_sample",
        "uint n = thread_position_in_grid.x; int h = x_shape[0], w = x_shape[1];
         Corners c = corners(points[2 * n], points[2 * n + 1], h, w);
         float sum = 0;
         for (int k = 0; k < 4; k++)
             if (inside(c.at[k], h, w)) sum += c.weight[k] * x[c.at[k].y * w + c.at[k].x];
         y[n] = sum;",
    )
    .header(CORNERS)
    .inputs(["x", "points"])
    .outputs(["y"])
    .vjp(move |inputs, _, dy| {
        let (x, points) = (&inputs[0], &inputs[1]);
        let call = backward.call([x, points, &dy[0]]);
        let call = call.output(x.shape(), Dtype::Float32).output(points.shape(), Dtype::Float32);
        call.init_value(0.0)
            .grid([points.dim(0) as u32, 1, 1])
            .threadgroup([64, 1, 1])
            .checked(checks_kernels())
            .build()
    })
}

/// The weighted sum of the samples, in float64.
fn reference(x: &[f64], (h, w): (i64, i64), points: &[f64], weights: &[f64]) -> f64 {
    let sample = |u: f64, v: f64| {
        let (px, py) = (((u + 1.0) * w as f64 - 1.0) / 2.0, ((v + 1.0) * h as f64 - 1.0) / 2.0);
        let mut sum = 0.0;
        for (dx, dy) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
            let (i, j) = (px.floor() as i64 + dx, py.floor() as i64 + dy);
            if (0..w).contains(&i) && (0..h).contains(&j) {
                let weight = (1.0 - (px - i as f64).abs()) * (1.0 - (py - j as f64).abs());
                sum += weight * x[(j * w + i) as usize];
            }
        }
        sum
    };
    points.chunks(2).zip(weights).map(|(p, weight)| weight * sample(p[0], p[1])).sum()
}

#[test]
fn a_kernel_with_a_backward_kernel_has_a_gradient() {
    let (h, w, n) = (7usize, 5usize, 40usize);
    let mut rng = Rng(3);
    let mut numbers = |n: usize, scale: f64| -> Vec<f32> {
        (0..n).map(|_| ((rng.range(-1000, 1000) as f64 + 0.37) / 1000.0 * scale) as f32).collect()
    };
    let (x, points, weights) = (numbers(h * w, 2.0), numbers(2 * n, 1.2), numbers(n, 1.0));
    let wide = |data: &[f32]| data.iter().map(|v| f64::from(*v)).collect::<Vec<_>>();
    let (kernel, factor) = (grid_sample(), Array::from_slice(&weights, &[n]).unwrap());
    let loss = |inputs: &[Array]| {
        let call = kernel.call([&inputs[0], &inputs[1]]).output([n], Dtype::Float32);
        let y = call.grid([n as u32, 1, 1]).threadgroup([32, 1, 1]).build()?.remove(0);
        // Once more through ops, before and after.
        y.multiply(&factor)?.sum(None, false)
    };
    let inputs = [Array::from_slice(&x, &[h, w]).unwrap(), Array::from_slice(&points, &[n, 2]).unwrap()];
    let grads = grad(loss, &[0, 1])(&inputs).unwrap();
    let (x, points, weights) = (wide(&x), wide(&points), wide(&weights));
    let value = |x: &[f64], points: &[f64]| reference(x, (h as i64, w as i64), points, &weights);
    let got = loss(&inputs).unwrap().item::<f32>().unwrap();
    assert!((f64::from(got) - value(&x, &points)).abs() < 1e-4);
    let eps = 1e-6;
    let slope = |data: &[f64], i: usize, f: &dyn Fn(&[f64]) -> f64| {
        let mut moved = data.to_vec();
        moved[i] = data[i] + eps;
        let up = f(&moved);
        moved[i] = data[i] - eps;
        (up - f(&moved)) / (2.0 * eps)
    };
    let by_x: Vec<f64> = (0..h * w).map(|i| slope(&x, i, &|x| value(x, &points))).collect();
    let by_points: Vec<f64> = (0..2 * n).map(|i| slope(&points, i, &|points| value(&x, points))).collect();
    for (what, got, want) in [("x", &grads[0], by_x), ("points", &grads[1], by_points)] {
        assert!(want.iter().filter(|v| v.abs() > 1e-3).count() > want.len() / 2, "a test of zeros: {what}");
        for (i, (got, want)) in got.to_vec::<f32>().unwrap().iter().zip(want).enumerate() {
            assert!(
                (f64::from(*got) - want).abs() < 2e-4 * want.abs().max(1.0),
                "{what}[{i}]: {got}, wanted {want}"
            );
        }
    }
}

fn cube() -> MetalKernel {
    let source = "uint i = thread_position_in_grid.x; y[i] = x[i] * x[i] * x[i] * factor; z[i] = x[i];";
    let slope = |x: &[Array]| x[0].square()?.multiply(3.0)?.multiply(&x[1]);
    MetalKernel::new("cube", source)
        .inputs(["x", "factor"])
        .outputs(["y", "z"])
        .vjp(move |x, _, c| Ok(vec![Some(slope(x)?.multiply(&c[0])?.add(&c[1])?), None]))
        .jvp(move |x, _, t| Ok(vec![slope(x)?.multiply(&t[0])?, t[0].clone()]))
}

fn call(kernel: &MetalKernel, x: &Array) -> Result<Vec<Array>> {
    let n = x.size();
    let call = kernel.call([x.into(), holdall::Operand::from(2.0)]);
    let call = call.output([n], Dtype::Float32).output([n], Dtype::Float32);
    call.grid([n as u32, 1, 1]).threadgroup([32, 1, 1]).build()
}

#[test]
fn both_modes_have_rules_and_nest() {
    let x = Array::from_slice(&[1f32, -2.0, 3.0], &[3]).unwrap();
    let ones = Array::from_slice(&[1f32; 3], &[3]).unwrap();
    let (_, tangents) = jvp(|x| call(&cube(), &x[0]), &[x.clone()], &[ones.clone()]).unwrap();
    assert_eq!(tangents[0].to_vec::<f32>().unwrap(), [6.0, 24.0, 54.0]);
    assert_eq!(tangents[1].to_vec::<f32>().unwrap(), [1.0; 3]);
    let (_, cotangents) = vjp(|x| call(&cube(), &x[0]), &[x.clone()], &[ones.clone(), ones]).unwrap();
    assert_eq!(cotangents[0].to_vec::<f32>().unwrap(), [7.0, 25.0, 55.0]);
    // An output that nothing depends on has a cotangent of zeros; the rule is ops, so it has derivatives too.
    let slope = grad(|x| call(&cube(), &x[0])?[0].sum(None, false), &[0]);
    let curvature = grad(|x| slope(x)?[0].sum(None, false), &[0]);
    assert_eq!(curvature(&[x]).unwrap()[0].to_vec::<f32>().unwrap(), [12.0, -24.0, 36.0]);
}

#[test]
fn rules_that_do_not_fit_and_modes_without_one_are_errors() {
    let x = Array::from_slice(&[1f32, 2.0], &[2]).unwrap();
    let plain = || MetalKernel::new("plain", "y[0] = x[0];").inputs(["x"]).outputs(["y"]);
    let slope = |kernel: MetalKernel| {
        let f = move |x: &[Array]| {
            kernel.call([&x[0]]).output([], Dtype::Float32).build().map(|mut y| y.remove(0))
        };
        grad(f, &[0])(std::slice::from_ref(&x)).unwrap_err()
    };
    let error = slope(plain().jvp(|_, _, t| Ok(t.to_vec())));
    assert_eq!(error.kind(), ErrorKind::Gradient);
    assert!(error.to_string().contains("plain: has no derivative backwards"), "{error}");
    let error = slope(plain().vjp(|_, _, c| Ok(c.to_vec())));
    assert_eq!(error.kind(), ErrorKind::Gradient);
    assert!(error.to_string().contains("a rule gave arrays of shapes [], wanted [2]"), "{error}");
}

#[test]
fn a_kernel_that_updates_has_a_gradient_and_works_on_copies_while_traced() {
    let double = MetalKernel::new("double", "x[thread_position_in_grid.x] *= 2;")
        .inputs(["x"])
        .read_write(["x"])
        .vjp(|_, _, c| Ok(vec![c[0].multiply(2.0)?]));
    let loss = |x: &[Array]| {
        let y = double.call([&x[0]]).grid([4, 1, 1]).threadgroup([4, 1, 1]).build()?.remove(0);
        y.multiply(&x[0])?.sum(None, false)
    };
    let x = Array::from_slice(&[1f32, 2.0, 3.0, 4.0], &[4]).unwrap();
    let slope = grad(loss, &[0])(std::slice::from_ref(&x)).unwrap();
    assert_eq!(slope[0].to_vec::<f32>().unwrap(), [4.0, 8.0, 12.0, 16.0]);
    assert_eq!(x.to_vec::<f32>().unwrap(), [1.0, 2.0, 3.0, 4.0]);
}

//! Many threads add to one place: atomic operations.

use holdall::{Array, Dtype, Result};

use crate::{Random, difference, floats, kernel};

/// Gradients of bilinear sampling (zeros outside, corners not aligned) with respect to the images `x`, `[n, height,
/// width, channels]`, and to the positions `at`, `[n, rows, columns, 2]`, from those of the samples.
pub fn grid_sample_gradients(
    x: &Array,
    at: &Array,
    cotangent: &Array,
    checked: bool,
) -> Result<(Array, Array)> {
    let call = kernel(include_str!("../../../../docs/book/kernels/grid_sample.json"))
        .call([x, at, cotangent])
        .output(x.shape(), Dtype::Float32)
        .output(at.shape(), Dtype::Float32)
        .init_value(0.0)
        .grid([cotangent.size() as u32, 1, 1])
        .threadgroup([64, 1, 1])
        .checked(checked);
    let mut gradients = call.build()?;
    let second = gradients.remove(1);
    Ok((gradients.remove(0), second))
}

pub fn trial(random: &mut Random, checked: bool) -> Result<f64> {
    let (n, h, w, c) = (random.from(1, 3), random.from(1, 6), random.from(1, 6), random.from(1, 4));
    let (rows, columns) = (random.from(1, 4), random.from(1, 5));
    let x = random.floats(&[n, h, w, c], Dtype::Float32)?;
    let at = random.floats(&[n, rows, columns, 2], Dtype::Float32)?.multiply(1.3)?;
    let cotangent = random.floats(&[n, rows, columns, c], Dtype::Float32)?;
    let (images, places, g) = (floats(&x)?, floats(&at)?, floats(&cotangent)?);
    let mut x_grad = vec![0.0; images.len()];
    let mut at_grad = vec![0.0; places.len()];
    // Each pixel is a tent: it counts by its distance, up to 1, along both axes.
    let tent = |d: f64| (1.0 - d.abs()).max(0.0);
    let slope = |d: f64| if d.abs() < 1.0 { -d.signum() } else { 0.0 };
    for (point, place) in places.chunks(2).enumerate() {
        // As the kernel does it, in float32: at the edge of a pixel the slope jumps.
        let px = f64::from(((place[0] + 1.0) * w as f32 - 1.0) / 2.0);
        let py = f64::from(((place[1] + 1.0) * h as f32 - 1.0) / 2.0);
        for pixel in 0..h * w * c {
            let (row, column, channel) = (pixel / c / w, pixel / c % w, pixel % c);
            let (dx, dy) = (px - column as f64, py - row as f64);
            let g = f64::from(g[point * c + channel]);
            let pixel = point / (rows * columns) * h * w * c + pixel;
            x_grad[pixel] += tent(dx) * tent(dy) * g;
            let value = f64::from(images[pixel]) * g;
            at_grad[2 * point] += slope(dx) * tent(dy) * value * w as f64 / 2.0;
            at_grad[2 * point + 1] += tent(dx) * slope(dy) * value * h as f64 / 2.0;
        }
    }
    let (first, second) = grid_sample_gradients(&x, &at, &cotangent, checked)?;
    Ok(difference(&first, &x_grad)?.max(difference(&second, &at_grad)?))
}

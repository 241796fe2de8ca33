//! Norms, softmax, rotary embedding, convolution.

use holdall::{Array, Dtype};

use super::support::{LAYOUTS, same};

const FLOATS: [Dtype; 3] = [Dtype::Float32, Dtype::Float16, Dtype::Bfloat16];

#[test]
fn norms() {
    for dtype in FLOATS {
        for (layout, n) in LAYOUTS.into_iter().zip([5, 64, 70, 130, 600]) {
            let what = format!("{dtype} {layout:?} {n}");
            same(&format!("rms_norm {what}"), 4.0, &|make| {
                let x = make.laid(&[2, 3, n], dtype, layout);
                let weight = make.array(&[n], dtype);
                Ok(vec![x.rms_norm(Some(&weight), 1e-5)?, x.rms_norm(None, 1e-3)?])
            });
            same(&format!("layer_norm {what}"), 8.0, &|make| {
                let x = make.laid(&[2, 3, n], dtype, layout);
                let (weight, bias) = (make.array(&[n], dtype), make.array(&[n], Dtype::Float32));
                Ok(vec![
                    x.layer_norm(Some(&weight), Some(&bias), 1e-5)?,
                    x.layer_norm(None, None, 1e-5)?,
                    x.layer_norm(None, Some(&bias), 1e-5)?,
                ])
            });
            same(&format!("softmax {what}"), 4.0, &|make| {
                let x = make.laid(&[2, 3, n], dtype, layout);
                let mut all = Vec::new();
                for axes in [&[-1][..], &[0], &[1], &[0, 1], &[0, 1, 2], &[0, 2]] {
                    all.push(x.softmax(Some(axes), true)?);
                    all.push(x.logsumexp(Some(axes), false)?);
                }
                Ok(all)
            });
        }
    }
}

#[test]
fn softmax_of_infinities() {
    same("softmax", 2.0, &|_| {
        let x = [[0.0, f32::NEG_INFINITY], [f32::NEG_INFINITY; 2], [f32::INFINITY, 1.0], [f32::NAN, 1.0]];
        let x = Array::from_slice(x.as_flattened(), &[4, 2])?;
        Ok(vec![x.softmax(Some(&[1]), true)?, x.logsumexp(Some(&[1]), false)?])
    });
}

#[test]
fn rotary_embedding() {
    for dtype in FLOATS {
        for (k, layout) in LAYOUTS.into_iter().enumerate() {
            for traditional in [false, true] {
                same(&format!("rope {dtype} {layout:?} {traditional}"), 4.0, &|make| {
                    let x = make.laid(&[2, 3, 4, 10], dtype, layout);
                    let one = Array::from_slice(&[[0, 7, 100, 8191, 3_000_000][k]], &[])?;
                    let two = Array::from_slice(&[5, 70_000], &[2])?;
                    let base = |dims, base, scale| holdall::ops::RopeOptions {
                        dims,
                        traditional,
                        base: Some(base),
                        scale,
                        periods: None,
                    };
                    let periods = Array::from_slice(&[1.0f32, 7.5, f32::INFINITY, 5000.0], &[4])?;
                    let by_periods = holdall::ops::RopeOptions {
                        periods: Some(&periods),
                        base: None,
                        ..base(8, 1.0, 0.5)
                    };
                    Ok(vec![
                        x.rope(base(10, 10000.0, 1.0), &one)?,
                        x.rope(base(6, 500_000.0, 0.25), &two)?,
                        x.rope(base(0, 10000.0, 1.0), &one)?,
                        x.rope(by_periods, &two)?,
                    ])
                });
            }
        }
    }
}

#[test]
fn convolution() {
    for dtype in FLOATS {
        for layout in LAYOUTS {
            same(&format!("conv1d {dtype} {layout:?}"), 8.0, &|make| {
                let x = make.laid(&[2, 9, 6], dtype, layout);
                let w = make.laid(&[4, 3, 6], dtype, layout);
                let grouped = make.array(&[6, 4, 2], dtype);
                let depthwise = make.array(&[6, 2, 1], dtype);
                // Enough channels for tiles, several of them.
                let (wide, halves) = (make.laid(&[40, 3, 6], dtype, layout), make.array(&[40, 6, 3], dtype));
                Ok(vec![
                    x.conv1d(&w, 1, 0, 1, 1)?,
                    x.conv1d(&w, 2, 1, 2, 1)?,
                    x.conv1d(&grouped, 1, 2, 1, 3)?,
                    x.conv1d(&depthwise, 1, 1, 1, 6)?,
                    x.conv1d(&wide, 2, 3, 2, 1)?,
                    x.conv1d(&halves, 1, 15, 1, 2)?,
                ])
            });
        }
    }
}

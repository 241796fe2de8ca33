//! The gated delta rule: a state that threads keep in registers, sums over SIMD groups.

use holdall::{Array, Dtype, Operand, Result};

use crate::{Random, difference, floats, kernel};

/// Steps of the gated delta rule: queries and keys `[batch, steps, key heads, key size]`, values `[batch, steps, value
/// heads, value size]`, decays and strengths `[batch, steps, value heads]`, and the state `[batch, value heads, value size,
/// key size]`. Gives what each step reads, in the shape of the values, and the new state.
pub fn gated_delta([q, k, v, decay, beta, state]: [&Array; 6], checked: bool) -> Result<(Array, Array)> {
    let (batch, steps, key_heads, key_size) = (q.dim(0), q.dim(1), q.dim(2), q.dim(3));
    let (value_heads, value_size) = (v.dim(2), v.dim(3));
    let inputs = [q, k, v, decay, beta, state].map(Operand::from).into_iter();
    let call = kernel(include_str!("../../../../docs/book/kernels/gated_delta.json"))
        .call(inputs.chain([Operand::from(steps as i32)]))
        .output(v.shape(), q.dtype())
        .output(state.shape(), state.dtype())
        .template("InT", q.dtype())
        .template("StT", state.dtype())
        .template("Dk", key_size as i32)
        .template("Dv", value_size as i32)
        .template("Hk", key_heads as i32)
        .template("Hv", value_heads as i32)
        .grid([32, value_size as u32, (batch * value_heads) as u32])
        .threadgroup([32, 4, 1])
        .checked(checked);
    let mut outputs = call.build()?;
    let state = outputs.remove(1);
    Ok((outputs.remove(0), state))
}

pub fn trial(random: &mut Random, checked: bool) -> Result<f64> {
    let (batch, steps, key_heads) = (random.from(1, 2), random.from(1, 3), random.from(1, 2));
    let value_heads = key_heads * random.from(1, 2);
    let (key_size, value_size) = (32 * random.from(1, 4), random.from(1, 9));
    let dtype = random.float_type();
    let scale = 1.0 / (key_size as f32).sqrt();
    let q = random.floats(&[batch, steps, key_heads, key_size], dtype)?;
    let k = random.floats(&[batch, steps, key_heads, key_size], dtype)?.multiply(scale)?;
    let v = random.floats(&[batch, steps, value_heads, value_size], dtype)?;
    let decay = random.floats(&[batch, steps, value_heads], Dtype::Float32)?.abs()?;
    let beta = random.floats(&[batch, steps, value_heads], dtype)?.abs()?;
    let state = random.floats(&[batch, value_heads, value_size, key_size], Dtype::Float32)?;
    let wide = |x: &Array| -> Result<Vec<f64>> { Ok(floats(x)?.into_iter().map(f64::from).collect()) };
    let (qs, ks, vs) = (wide(&q)?, wide(&k)?, wide(&v)?);
    let (decays, betas, mut memory) = (wide(&decay)?, wide(&beta)?, wide(&state)?);
    let mut want = vec![0.0; vs.len()];
    for (i, row) in memory.chunks_mut(key_size).enumerate() {
        let (image, head, at) = (i / value_size / value_heads, i / value_size % value_heads, i % value_size);
        for t in 0..steps {
            let value = (image * steps + t) * value_heads + head;
            let key = ((image * steps + t) * key_heads + head / (value_heads / key_heads)) * key_size;
            let (q, k) = (&qs[key..key + key_size], &ks[key..key + key_size]);
            row.iter_mut().for_each(|s| *s *= decays[value]);
            let read: f64 = row.iter().zip(k).map(|(s, k)| s * k).sum();
            let change = (vs[value * value_size + at] - read) * betas[value];
            row.iter_mut().zip(k).for_each(|(s, k)| *s += change * k);
            want[value * value_size + at] = row.iter().zip(q).map(|(s, q)| s * q).sum();
        }
    }
    let (y, new_state) = gated_delta([&q, &k, &v, &decay, &beta, &state], checked)?;
    Ok(difference(&y, &want)?.max(difference(&new_state, &memory)?))
}

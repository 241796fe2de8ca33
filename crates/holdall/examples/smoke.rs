//! Smoke.
use holdall::{Array, eval};
use std::time::Instant;
fn main() -> holdall::Result<()> {
    let x = Array::from_slice(&[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0], &[2, 3])?;
    let y = (&x + 1.0).exp()?.transpose(&[])?;
    println!("{:?} {:?}", y, y.to_vec::<f32>()?);
    let h = x.astype(holdall::Dtype::Float16);
    println!("{:?}", (&h * 1.1).multiply(&Array::from_slice(&[1f32, 2.0, 3.0], &[3])?)?.to_vec::<f32>()?);
    for n in [100_000usize, 1_000_000] {
        for _ in 0..3 {
            let t = Instant::now();
            let mut z = Array::from_slice(&[1.0f32], &[])?;
            for _ in 0..n {
                z = &z + 1.0;
            }
            let b = t.elapsed();
            eval(&[&z])?;
            let e = t.elapsed();
            let v = z.item::<f32>()?;
            drop(z);
            println!(
                "{n}: build {:.0} eval {:.0} ns/op drop {:?} value {v}",
                b.as_nanos() as f64 / n as f64,
                (e - b).as_nanos() as f64 / n as f64,
                t.elapsed() - e
            );
        }
    }
    let a = Array::from_slice(&vec![1.0f32; 16 << 20], &[16 << 20])?;
    let b = Array::from_slice(&vec![2.0f32; 16 << 20], &[16 << 20])?;
    for _ in 0..5 {
        let t = Instant::now();
        let c = &a + &b;
        eval(&[&c])?;
        print!("add {:?} ", t.elapsed());
        drop(c);
        let t = Instant::now();
        let c = a.exp()?;
        eval(&[&c])?;
        println!("exp {:?}", t.elapsed());
    }
    Ok(())
}

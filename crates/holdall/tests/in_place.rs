//! Updates that reuse memory: measured on the pool of the process, so these tests are a program of their own.

use std::sync::Mutex;

use holdall::{Array, Dtype, eval};

/// Held while the pool is measured: the tests of a program share it.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn a_thousand_appends_take_no_memory() {
    let _alone = ALONE.lock();
    let pool = holdall::device::DeviceId::DEFAULT.get().unwrap().pool().clone();
    // 64 MB: 8 heads, 8192 places, 256 numbers.
    let mut cache = Array::zeros(&[8, 8192, 256], Dtype::Float32).unwrap().contiguous();
    let token = Array::ones(&[8, 1, 256], Dtype::Float32).unwrap().contiguous();
    eval(&[&cache, &token]).unwrap();
    pool.reset_peak();
    let before = pool.peak_bytes();
    for i in 0..1000 {
        cache = cache.slice_update(&token, &[0, i, 0], &[8, i + 1, 256], &[]).unwrap();
        if i % 3 == 0 {
            eval(&[&cache]).unwrap();
        }
    }
    eval(&[&cache]).unwrap();
    let rise = pool.peak_bytes() - before;
    assert!(rise < 1 << 20, "appending raised the peak by {rise} bytes");
    let ones = cache.index((.., 998..1002, 0)).unwrap();
    assert_eq!(ones.to_vec::<f32>().unwrap(), [1., 1., 0., 0.].repeat(8));
}

#[test]
fn readers_of_one_graph_go_before_the_writer() {
    let _alone = ALONE.lock();
    let pool = holdall::device::DeviceId::DEFAULT.get().unwrap().pool().clone();
    let x = Array::zeros(&[48 << 20], Dtype::Uint8).unwrap().contiguous();
    eval(&[&x]).unwrap();
    pool.reset_peak();
    let before = pool.peak_bytes();
    let new = x.index_update(0..1, 1).unwrap();
    let old = x.index(0..4).unwrap().contiguous();
    drop(x);
    eval(&[&new, &old]).unwrap();
    let rise = pool.peak_bytes() - before;
    assert_eq!(old.to_vec::<u8>().unwrap(), [0; 4]);
    assert_eq!(new.index(0..2).unwrap().to_vec::<u8>().unwrap(), [1, 0]);
    assert!(rise < 1 << 20, "the peak rose by {rise} bytes");
    // A reader that needs both values forces a copy, and both are right.
    let x = new;
    let new = x.index_update(1..2, 2).unwrap();
    let both = x.add(&new).unwrap().index(0..2).unwrap();
    drop(x);
    eval(&[&new, &both]).unwrap();
    assert_eq!(both.to_vec::<u8>().unwrap(), [2, 2]);
}

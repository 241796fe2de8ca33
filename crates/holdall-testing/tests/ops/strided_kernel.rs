//! Custom kernels on views: with strides, and without.

use holdall::{Array, Dtype, MetalKernel};

use super::support::checks_kernels;

fn views() -> Vec<Array> {
    let data: Vec<f32> = (0..120).map(|i| (i as f32 * 0.61).cos()).collect();
    let x = Array::from_slice(&data, &[4, 5, 6]).unwrap();
    let turned = x.transpose(&[]).unwrap();
    let swapped = x.transpose(&[1, 0, 2]).unwrap();
    let wide = x.reshape(&[4, 30, 1]).unwrap().broadcast_to(&[4, 30, 3]).unwrap();
    vec![x, turned, swapped, wide]
}

fn call(kernel: &MetalKernel, x: &Array) -> Vec<f32> {
    let n = x.size() as u32;
    let call = kernel.call([x]).output(x.shape(), Dtype::Float32).grid([n, 1, 1]).threadgroup([32, 1, 1]);
    call.checked(checks_kernels()).build().unwrap().remove(0).to_vec().unwrap()
}

#[test]
fn strides_lead_to_elements_of_views() {
    for (name, place) in [
        ("by_index", "elem_to_loc(i, x_shape, x_strides, x_ndim)"),
        ("by_position", "elem_to_loc<int>(uint3(i % c, i / c % b, i / c / b), x_shape, x_strides, x_ndim)"),
        ("by_axes", "elem_to_loc_3<int>(uint3(i % c, i / c % b, i / c / b), x_strides)"),
        ("by_loop", "at(i, x_shape, x_strides, x_ndim)"),
    ] {
        let body = format!(
            "uint i = thread_position_in_grid.x; uint b = x_shape[1], c = x_shape[2]; y[i] = x[{place}] * 2;"
        );
        let header = "int at(uint i, constant const int* shape, constant const int64_t* strides, int ndim) {
              LoopedElemToLoc<3, int> loop(ndim); for (uint k = 0; k < i % 5; k++) loop.next(shape, strides);
              loop.next(i - i % 5, shape, strides); return loop.location(); }";
        let kernel = MetalKernel::new(name, body).header(header).inputs(["x"]).outputs(["y"]);
        for x in views() {
            let want = x.multiply(2.0).unwrap().to_vec::<f32>().unwrap();
            assert_eq!(
                call(&kernel.clone().ensure_row_contiguous(false), &x),
                want,
                "{name} of {:?}",
                x.shape()
            );
            // The same kernel takes what was copied.
            assert_eq!(call(&kernel, &x), want, "{name} of a copy of {:?}", x.shape());
        }
    }
}

#[test]
fn views_are_copied_for_kernels_that_know_no_strides() {
    let body = "uint i = thread_position_in_grid.x; y[i] = x[i];";
    let kernel = MetalKernel::new("plain", body).inputs(["x"]).outputs(["y"]);
    for x in views() {
        let want = x.to_vec::<f32>().unwrap();
        assert_eq!(call(&kernel, &x), want);
    }
    // Without the copy, they see memory as it lies.
    let turned = &views()[1];
    let lies = views()[0].to_vec::<f32>().unwrap();
    assert_eq!(call(&kernel.ensure_row_contiguous(false), turned), lies);
}

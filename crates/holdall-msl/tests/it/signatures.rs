//! The generated parameters, and the representation as text.

use holdall_msl::ir::{Attribute, BufferRole};
use holdall_msl::{ElementType, Input, Output, Signature, Space, TemplateValue};

use crate::support::Kernel;

const Y: Output<'_> = Output { name: "y", element: ElementType::F32 };

fn input(name: &str, ndim: usize, n_elems: usize) -> Input<'_> {
    Input { name, element: ElementType::BF16, ndim, n_elems }
}

#[test]
fn inputs_are_passed_by_their_size() {
    let inputs = [input("a", 0, 1), input("b", 1, 7), input("c", 1, 8)];
    let body =
        "y[0] = c_shape[0] + my_b_strides + /* c_ndim */ thread_position_in_grid.x + threads_per_simdgroup;";
    let signature =
        Signature::derive(body, &inputs, &[Y], true, &[("T", TemplateValue::Type(ElementType::F16))]);
    let signature = signature.expect("it is sound");
    let want = "// T = float16_t
const constant bfloat16_t& a [[buffer(0)]],
const constant bfloat16_t* b [[buffer(1)]],
const constant int64_t* b_strides [[buffer(2)]],
const device bfloat16_t* c [[buffer(3)]],
const constant int32_t* c_shape [[buffer(4)]],
const constant int32_t& c_ndim [[buffer(5)]],
device atomic<float>* y [[buffer(6)]],
uint3 thread_position_in_grid [[thread_position_in_grid]],
uint threads_per_simdgroup [[threads_per_simdgroup]]";
    assert_eq!(signature.to_string(), want);
    assert_eq!(signature.buffers()[2].role, BufferRole::Strides(1));
    assert_eq!(
        (signature.buffers()[3].space, signature.buffers()[1].space),
        (Space::Device, Space::Constant)
    );
    assert_eq!(signature.attributes(), [Attribute::ThreadPositionInGrid, Attribute::ThreadsPerSimdgroup]);
}

#[test]
fn wrong_signatures_are_refused() {
    let derive = |inputs: &[Input<'_>], outputs: &[Output<'_>]| {
        Signature::derive("", inputs, outputs, false, &[]).expect_err("it is wrong").to_string()
    };
    assert_eq!(derive(&[], &[]), "error: a kernel has at least one output\n");
    assert_eq!(derive(&[input("y", 1, 9)], &[Y]), "error: there are two parameters `y`\n");
    assert_eq!(derive(&[input("2x", 1, 9)], &[Y]), "error: `2x` is not a name\n");
}

#[test]
fn a_local_variable_may_have_the_name_of_an_attribute() {
    let y = Kernel::new("uint grid_size = 3; int x_ndim = 4; y[0] = grid_size + x_ndim;")
        .floats("x", &[1.0; 9])
        .output("y", ElementType::I32, 1)
        .run_ints();
    assert_eq!(y, [7]);
}

#[test]
fn programs_print() {
    let body = "uint i = thread_position_in_grid.x;\nif (i < 9) {\n  float a[2];\n  a[i & 1] = x[i];\n  y[i] = a[0] * 2;\n}";
    let kernel = Kernel::new(body).floats("x", &[0.0; 9]).output("y", ElementType::F32, 9);
    let text = kernel.compile().expect("it compiles").program.to_string();
    let want = "\
kernel test {
  buffer @x.0: device float, input 0, read
  buffer @y.1: device float, output 0, written
  variable @a.2: thread, 8 bytes, align 4
  %0 = attribute thread_position_in_grid.x
  %1 = lt.u32 %0, 9u32                                     // body:2:5
  if %1 {
    fresh @a.2                                               // body:3:9
    %2 = convert.u32.i64 %0                                  // body:4:14
    %3 = multiply.i64 %2, 4i64                               // body:4:14
    %4 = load.f32 device align 4 @x.0, %3                    // body:4:14
    %5 = and.u32 %0, 1u32                                    // body:4:5
    %6 = convert.u32.i64 %5                                  // body:4:3
    %7 = multiply.i64 %6, 4i64                               // body:4:3
    store.f32 thread align 4 @a.2, %7, %4                    // body:4:3
    %8 = load.f32 thread align 4 @a.2, 0i64                  // body:5:10
    %9 = multiply.f32 %8, 2.0f32                             // body:5:10
    %10 = convert.u32.i64 %0                                 // body:5:3
    %11 = multiply.i64 %10, 4i64                             // body:5:3
    store.f32 device align 4 @y.1, %11, %9                   // body:5:3
  }
}
";
    assert_eq!(text, want, "{text}");
}

#[test]
fn what_is_never_in_memory_is_in_registers() {
    let body =
        "float acc[4] = {0}; float4 v = float4(x[0], x[1], x[2], x[3]); thread float* p = &v.x; p[1] = 5;
        const device float* in = x; in += 2; acc[0] += in[0] + p[1]; acc[3] = v.y; y[0] = acc[0] + acc[3];";
    let program = Kernel::new(body)
        .floats("x", &[1.0; 9])
        .output("y", ElementType::F32, 1)
        .compile()
        .expect("it compiles")
        .program;
    assert_eq!(program.objects.len(), 2, "{program}");
}

//! Metal kernels on the SIMT engine against native code on as many threads, as medians: `cargo bench -p holdall-cpu --bench simt`.
//!
//! Each line ends with the ratio of the times. Below are the times to compile and to make a launch.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use holdall_cpu::kernel::{Kernel, Scratch, Slice};
use holdall_cpu::simt::{Binding, Launch, Program};
use holdall_msl::{ElementType, Input, KernelSource, Output, Signature, TemplateValue, compile};

const THREADS: usize = 2;

const ROTATE: &str = r"
constexpr int SIZE = 128;
constexpr int HALF = SIZE / 2;
threadgroup float tile[R][SIZE];
uint t = thread_position_in_threadgroup.x;
uint first = threadgroup_position_in_grid.x * SIZE;
uint row = threadgroup_position_in_grid.y * R;
for (int r = 0; r < R; r++) {
  for (int i = t; i < SIZE; i += HALF) {
    tile[r][i] = float(x[(row + r) * D + first + i]) * scales[first + i];
  }
}
threadgroup_barrier(mem_flags::mem_threadgroup);
for (int k = 0; k < K; k++) {
  uint at = k * (D / 2) + first / 2 + t;
  int pair = pairs[at];
  int i = pair & 0xffff, j = pair >> 16;
  float c = cosines[at], s = sines[at];
  for (int r = 0; r < R; r++) {
    float a = tile[r][i], b = tile[r][j];
    tile[r][i] = a * c + b * s;
    tile[r][j] = b * c - a * s;
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
}
for (int r = 0; r < R; r++) {
  for (int i = t; i < SIZE; i += HALF) {
    y[(row + r) * D + first + i] = T(tile[r][i]);
  }
}
";

const GATED_DELTA: &str = r"
auto head = thread_position_in_grid.z;
constexpr int n_per_t = Dk / 32;
auto q_ = q + head * Dk;
auto k_ = k + head * Dk;
auto dk_idx = thread_position_in_threadgroup.x;
auto dv_idx = thread_position_in_grid.y;
auto i_state = state_in + (head * Dv + dv_idx) * Dk;
auto o_state = state_out + (head * Dv + dv_idx) * Dk;
float state[n_per_t];
for (int i = 0; i < n_per_t; ++i) {
  state[i] = static_cast<float>(i_state[n_per_t * dk_idx + i]);
}
float kv_mem = 0.0f;
for (int i = 0; i < n_per_t; ++i) {
  auto s_idx = n_per_t * dk_idx + i;
  state[i] = state[i] * g[head];
  kv_mem += state[i] * k_[s_idx];
}
kv_mem = simd_sum(kv_mem);
auto delta = (v[head * Dv + dv_idx] - kv_mem) * beta[head];
float out = 0.0f;
for (int i = 0; i < n_per_t; ++i) {
  auto s_idx = n_per_t * dk_idx + i;
  state[i] = state[i] + k_[s_idx] * delta;
  out += state[i] * q_[s_idx];
}
out = simd_sum(out);
if (thread_index_in_simdgroup == 0) {
  y[head * Dv + dv_idx] = out;
}
for (int i = 0; i < n_per_t; ++i) {
  o_state[n_per_t * dk_idx + i] = state[i];
}
";

/// The median of enough runs for about a second, in seconds.
fn median(mut f: impl FnMut()) -> f64 {
    let mut times = Vec::new();
    let begin = Instant::now();
    while times.len() < 5 || (begin.elapsed().as_secs_f64() < 1.0 && times.len() < 2001) {
        let start = Instant::now();
        f();
        times.push(start.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Runs `f` on each thread with a function that claims the next of `n` items.
fn team(n: usize, f: impl Fn(&dyn Fn() -> Option<usize>) + Sync) {
    let next = AtomicUsize::new(0);
    let claim = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|i| *i < n);
    std::thread::scope(|scope| {
        for _ in 1..THREADS {
            scope.spawn(|| f(&claim));
        }
        f(&claim);
    });
}

fn numbers(n: usize, step: f32) -> Vec<f32> {
    (0..n).map(|i| ((i * 37 + 11) % 101) as f32 * step - step * 50.0).collect()
}

/// Names and bytes.
type Outputs<'a> = [(&'a str, Vec<u8>)];

struct Job<'a> {
    name: &'a str,
    body: &'a str,
    inputs: Vec<(&'a str, ElementType, Vec<u8>)>,
    outputs: Vec<(&'a str, Vec<u8>)>,
    template: Vec<(&'a str, TemplateValue)>,
    grid: [u32; 3],
    group: [u32; 3],
}

impl Job<'_> {
    /// Seconds a run, seconds to compile, seconds to make a launch.
    fn measure(&mut self) -> (f64, f64, f64) {
        let inputs: Vec<Input<'_>> = self
            .inputs
            .iter()
            .map(|(name, element, bytes)| Input {
                name,
                element: *element,
                ndim: 1,
                n_elems: bytes.len() / element.size() as usize,
            })
            .collect();
        let outputs: Vec<Output<'_>> =
            self.outputs.iter().map(|(name, _)| Output { name, element: ElementType::F32 }).collect();
        let signature =
            Signature::derive(self.body, &inputs, &outputs, false, &self.template).expect("a signature");
        let source = KernelSource { name: self.name, header: "", body: self.body };
        let ir = Arc::new(compile(&source, &signature).expect("the kernel compiles").program);
        let compiling = median(|| {
            std::hint::black_box(Program::compile(&ir));
        });
        let program = Arc::new(Program::compile(&ir));
        if std::env::args().any(|arg| arg == "--dump") {
            println!("{ir}\n{program:#?}");
        }
        let sizes =
            self.inputs.iter().map(|input| input.2.len()).chain(self.outputs.iter().map(|o| o.1.len()));
        let bindings: Vec<Binding> = sizes.map(Binding::Memory).collect();
        let launch =
            || Launch::new(program.clone(), self.grid, self.group, bindings.clone()).expect("a launch");
        let making = median(|| {
            std::hint::black_box(launch());
        });
        let launch = launch();
        let buffers =
            self.inputs.iter_mut().map(|i| &mut i.2).chain(self.outputs.iter_mut().map(|o| &mut o.1));
        let memory: Vec<Slice> = buffers.map(|b| Slice::new(b.as_mut_ptr(), b.len())).collect();
        let running = median(|| {
            team(launch.items(0), |claim| {
                let mut scratch = Scratch::default();
                while let Some(item) = claim() {
                    // SAFETY: the memory is what the launch was made for; items are claimed once.
                    unsafe { launch.run(0, item, &memory, &mut scratch) };
                }
                assert_eq!(scratch.take_failure(), None);
            });
        });
        (running, compiling, making)
    }
}

/// Memory that threads write disjoint parts of.
#[derive(Clone, Copy)]
struct Shared(*mut f32);
// SAFETY: each row is written by the thread that claimed it.
unsafe impl Sync for Shared {}

impl Shared {
    /// # Safety
    /// The part is within the memory, and nobody else uses it.
    #[expect(clippy::mut_from_ref, reason = "the caller says that parts are disjoint")]
    unsafe fn part(&self, start: usize, len: usize) -> &mut [f32] {
        // SAFETY: the caller's.
        unsafe { std::slice::from_raw_parts_mut(self.0.add(start), len) }
    }
}

fn report(name: &str, job: &mut Job<'_>, native: f64, check: &dyn Fn(&Outputs<'_>)) {
    let (running, compiling, making) = job.measure();
    check(&job.outputs);
    println!(
        "{name:14} engine {:8.3} ms   native {:8.3} ms   ratio {:5.2}   compile {:6.1} us   launch {:5.2} us",
        running * 1e3,
        native * 1e3,
        running / native,
        compiling * 1e6,
        making * 1e6
    );
}

fn bytes<T: bytemuck::Pod>(values: &[T]) -> Vec<u8> {
    bytemuck::cast_slice(values).to_vec()
}

fn close(name: &str, got: &[u8], want: &[f32]) {
    for (i, (got, want)) in got.chunks_exact(4).zip(want).enumerate() {
        let got = f32::from_le_bytes(got.try_into().expect("four bytes"));
        assert!((got - want).abs() <= 1e-4 * want.abs().max(1.0), "{name} {i}: {got} and {want}");
    }
}

fn rotation() {
    const D: usize = 2560;
    const K: usize = 8;
    const ROWS: usize = 512;
    let x = numbers(ROWS * D, 0.01);
    let scales = numbers(D, 0.02);
    let angles = numbers(K * D / 2, 0.05);
    let (cosines, sines): (Vec<f32>, Vec<f32>) = angles.iter().map(|a| (a.cos(), a.sin())).unzip();
    // In each group of 128 channels, pairs that depend on the rotation.
    let pairs: Vec<i32> = (0..K * D / 2)
        .map(|at| {
            let (k, t) = (at / (D / 2), at % 64);
            let (i, j) = ((2 * t * (2 * k + 1)) % 128, (2 * t * (2 * k + 1) + 1) % 128);
            i as i32 | (j as i32) << 16
        })
        .collect();
    let mut out = vec![0f32; ROWS * D];
    let shared = Shared(out.as_mut_ptr());
    let native = median(|| {
        team(ROWS / 4, |claim| {
            while let Some(item) = claim() {
                for row in 4 * item..4 * item + 4 {
                    // SAFETY: the rows of an item are one thread's.
                    let y = unsafe { shared.part(row * D, D) };
                    for ((y, x), scale) in y.iter_mut().zip(&x[row * D..]).zip(&scales) {
                        *y = x * scale;
                    }
                    for k in 0..K {
                        for (group, tile) in y.chunks_exact_mut(128).enumerate() {
                            for t in 0..64 {
                                let at = k * D / 2 + group * 64 + t;
                                let (i, j) = ((pairs[at] & 0xffff) as usize, (pairs[at] >> 16) as usize);
                                let (a, b) = (tile[i], tile[j]);
                                tile[i] = a * cosines[at] + b * sines[at];
                                tile[j] = b * cosines[at] - a * sines[at];
                            }
                        }
                    }
                }
            }
        });
    });
    let mut job = Job {
        name: "rotate",
        body: ROTATE,
        inputs: vec![
            ("x", ElementType::F32, bytes(&x)),
            ("pairs", ElementType::I32, bytes(&pairs)),
            ("cosines", ElementType::F32, bytes(&cosines)),
            ("sines", ElementType::F32, bytes(&sines)),
            ("scales", ElementType::F32, bytes(&scales)),
        ],
        outputs: vec![("y", vec![0; 4 * ROWS * D])],
        template: vec![
            ("T", TemplateValue::Type(ElementType::F32)),
            ("D", TemplateValue::Int(D as i32)),
            ("K", TemplateValue::Int(K as i32)),
            ("R", TemplateValue::Int(4)),
        ],
        grid: [D as u32 / 2, ROWS as u32 / 4, 1],
        group: [64, 1, 1],
    };
    report("rotation", &mut job, native, &|outputs| close("rotation", &outputs[0].1, &out));
}

fn gated_delta() {
    const HEADS: usize = 32;
    const N: usize = 128;
    let (q, k, v) = (numbers(HEADS * N, 0.001), numbers(HEADS * N, 0.002), numbers(HEADS * N, 0.003));
    let (g, beta) = (vec![0.9f32; HEADS], vec![0.5f32; HEADS]);
    let state = numbers(HEADS * N * N, 0.01);
    let (mut y, mut next) = (vec![0f32; HEADS * N], vec![0f32; HEADS * N * N]);
    let (shared_y, shared_next) = (Shared(y.as_mut_ptr()), Shared(next.as_mut_ptr()));
    let native = median(|| {
        team(HEADS, |claim| {
            while let Some(head) = claim() {
                let (q, k) = (&q[head * N..][..N], &k[head * N..][..N]);
                // SAFETY: the parts of a head are one thread's.
                let (y, next) =
                    unsafe { (shared_y.part(head * N, N), shared_next.part(head * N * N, N * N)) };
                for i in 0..N {
                    let (from, to) = (&state[(head * N + i) * N..][..N], &mut next[i * N..][..N]);
                    let mut memory = 0.0;
                    for j in 0..N {
                        to[j] = from[j] * g[head];
                        memory += to[j] * k[j];
                    }
                    let delta = (v[head * N + i] - memory) * beta[head];
                    let mut sum = 0.0;
                    for j in 0..N {
                        to[j] += k[j] * delta;
                        sum += to[j] * q[j];
                    }
                    y[i] = sum;
                }
            }
        });
    });
    let mut job = Job {
        name: "gated_delta",
        body: GATED_DELTA,
        inputs: vec![
            ("q", ElementType::F32, bytes(&q)),
            ("k", ElementType::F32, bytes(&k)),
            ("v", ElementType::F32, bytes(&v)),
            ("g", ElementType::F32, bytes(&g)),
            ("beta", ElementType::F32, bytes(&beta)),
            ("state_in", ElementType::F32, bytes(&state)),
        ],
        outputs: vec![("y", vec![0; 4 * HEADS * N]), ("state_out", vec![0; 4 * HEADS * N * N])],
        template: vec![("Dk", TemplateValue::Int(N as i32)), ("Dv", TemplateValue::Int(N as i32))],
        grid: [32, N as u32, HEADS as u32],
        group: [32, 4, 1],
    };
    report("gated delta", &mut job, native, &|outputs| {
        close("y", &outputs[0].1, &y);
        close("state", &outputs[1].1, &next);
    });
}

fn main() {
    rotation();
    gated_delta();
}

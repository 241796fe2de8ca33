//! What a scheduler does, by hand: record on a queue, submit to a stream.

use std::sync::Arc;

use holdall_core::command::{Binding, Command, CommandBuffer, Launch};
use holdall_core::device::{Device, DeviceStream};
use holdall_core::{Origin, settings};
use holdall_cuda::{Cuda, CudaLaunch, Kernel, Parameter, Source};
use holdall_memory::{Access, Queue, QueueId, Storage, Tick, Timelines, User};

/// The first GPU.
pub fn gpu() -> Option<Arc<Cuda>> {
    let found = Cuda::all(&Timelines::new()).unwrap();
    let wanted = settings::device().unwrap().is_some_and(|name| name.starts_with("cuda"));
    assert!(!(found.is_empty() && wanted), "HOLDALL_DEVICE names a GPU, but there is none");
    if found.is_empty() {
        eprintln!("no GPU: nothing was tested");
    }
    found.into_iter().next()
}

/// A stream with its recorder.
pub struct Lane {
    pub queue: Queue,
    pub stream: Box<dyn DeviceStream>,
    pub device: Arc<dyn Device>,
    commands: Vec<Command>,
    waits: Vec<(QueueId, Tick)>,
}

impl Lane {
    pub fn new(device: &Arc<impl Device + 'static>) -> Self {
        let device: Arc<dyn Device> = device.clone();
        let queue = device.pool().timelines().register();
        Self { queue, stream: device.stream().unwrap(), device, commands: Vec::new(), waits: Vec::new() }
    }

    pub fn take(&self, bytes: usize) -> Storage {
        self.device.pool().take(bytes, User::Queue(&self.queue)).unwrap()
    }

    pub fn wait_for(&mut self, (queue, tick): (QueueId, Tick)) {
        self.queue.wait_for(queue, tick);
        self.waits.push((queue, tick));
    }

    #[track_caller]
    pub fn push(&mut self, op: &'static str, launch: Launch, blocks: &[(&Storage, Access)]) {
        self.push_with(true, op, launch, blocks);
    }

    #[track_caller]
    pub fn push_with(
        &mut self,
        barrier: bool,
        op: &'static str,
        launch: Launch,
        blocks: &[(&Storage, Access)],
    ) {
        let bindings = blocks
            .iter()
            .map(|(s, access)| Binding { bound: self.queue.bind(s, *access), offset: 0 })
            .collect();
        launch.bind(&mut self.queue);
        self.commands.push(Command { launch, bindings, barrier, op, origin: Origin::caller() });
    }

    pub fn submit(&mut self) -> (QueueId, Tick) {
        let completion = self.queue.submit();
        let tick = (completion.queue(), completion.tick());
        let commands = std::mem::take(&mut self.commands);
        let waits = std::mem::take(&mut self.waits).into_iter().collect();
        self.stream.submit(CommandBuffer { waits, commands, completion }).unwrap();
        tick
    }

    pub fn wait(&self, (queue, tick): (QueueId, Tick)) -> Result<(), String> {
        self.queue.timelines().wait(queue, tick).map_err(|e| e.to_string())
    }
}

/// Kernels for tests.
pub const TEXT: &str = r#"
extern "C" __global__ void add(const float* a, const float* b, float* c, unsigned n, float scale) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) c[i] = a[i] + scale * b[i];
}
extern "C" __global__ void fill(unsigned* x, unsigned n, unsigned value) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) x[i] = value;
}
extern "C" __global__ void increment(const unsigned* x, unsigned* y, unsigned n) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = x[i] + 1;
}
// Takes its time, so that others could overtake.
extern "C" __global__ void fill_late(unsigned* x, unsigned n, unsigned value, unsigned cycles) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    long long start = clock64();
    while (clock64() - start < cycles) {}
    if (i < n) x[i] = value;
}
extern "C" __global__ void wild(unsigned* x) { *(unsigned*)0x10 = 3; x[0] = 1; }
struct Three { unsigned char a; unsigned long long b; float c; };
extern "C" __global__ void parts(Three t, float* out, unsigned char last) {
    extern __shared__ float shared[];
    shared[threadIdx.x] = threadIdx.x;
    __syncthreads();
    if (threadIdx.x == 0) {
        out[0] = t.a; out[1] = (float)t.b; out[2] = t.c; out[3] = last; out[4] = shared[blockDim.x - 1];
    }
}
"#;

pub fn source() -> Source {
    Source { name: "test.cu".into(), text: TEXT.into(), options: Vec::new() }
}

pub fn kernel(device: &Cuda, name: &str) -> Arc<Kernel> {
    device.kernel(&source(), name).unwrap()
}

pub fn launch(kernel: &Arc<Kernel>, threads: usize, parameters: &[Parameter]) -> Launch {
    let groups = (threads.max(1)).div_ceil(256) as u32;
    Arc::new(CudaLaunch::new(kernel.clone(), [groups, 1, 1], [256, 1, 1], 0, parameters).unwrap())
}

pub fn number(x: u32) -> Parameter {
    Parameter::value(x.to_ne_bytes())
}

/// `n` numbers of a fixed sequence.
pub fn numbers(n: usize, seed: u32) -> Vec<u32> {
    let mut x = seed.wrapping_mul(2_654_435_769) | 1;
    (0..n)
        .map(|_| {
            x ^= x << 13;
            x ^= x >> 17;
            x ^= x << 5;
            x
        })
        .collect()
}

pub fn bytes(values: &[u32]) -> Vec<u8> {
    values.iter().flat_map(|x| x.to_ne_bytes()).collect()
}

pub fn upload(device: &dyn Device, data: &[u8]) -> Storage {
    let mut fill = |to: &mut [u8]| {
        to.copy_from_slice(data);
        Ok(())
    };
    device.upload(data.len(), &mut fill).unwrap()
}

pub fn read(device: &dyn Device, storage: &Storage, n: usize) -> Vec<u32> {
    let mut data = vec![0; 4 * n];
    device.read(storage, 0, &mut data).unwrap();
    data.chunks_exact(4).map(|x| u32::from_ne_bytes([x[0], x[1], x[2], x[3]])).collect()
}

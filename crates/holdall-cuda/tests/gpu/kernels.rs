//! Compiling and launching.

use std::sync::Arc;

use holdall_core::{ErrorKind, Result};
use holdall_cuda::{Compiler, CudaLaunch, KernelCache, Nvrtc, Parameter, Source};
use holdall_memory::Access::{Read, Write};

use crate::lanes::{Lane, bytes, gpu, kernel, launch, number, read, source, upload};

#[test]
fn a_kernel_adds_vectors() {
    let Some(gpu) = gpu() else { return };
    let n = 100_003;
    let a: Vec<u32> = (0..n).map(|i| (i as f32).to_bits()).collect();
    let (a, b) = (upload(&*gpu, &bytes(&a)), upload(&*gpu, &bytes(&vec![2f32.to_bits(); n])));
    let mut lane = Lane::new(&gpu);
    let c = lane.take(4 * n);
    let add = kernel(&gpu, "add");
    let parameters = [
        Parameter::Binding(0),
        Parameter::Binding(1),
        Parameter::Binding(2),
        number(n as u32),
        Parameter::value(0.5f32.to_ne_bytes()),
    ];
    lane.push("add", launch(&add, n, &parameters), &[(&a, Read), (&b, Read), (&c, Write)]);
    let tick = lane.submit();
    lane.wait(tick).unwrap();
    for (i, x) in read(&*gpu, &c, n).into_iter().enumerate() {
        assert_eq!(f32::from_bits(x), i as f32 + 1.0, "at {i}");
    }
}

#[test]
fn structures_and_shared_memory_are_parameters() {
    let Some(gpu) = gpu() else { return };
    let mut three = [0u8; 24];
    three[0] = 7;
    three[8..16].copy_from_slice(&(1u64 << 40).to_ne_bytes());
    three[16..20].copy_from_slice(&2.5f32.to_ne_bytes());
    let parts = kernel(&gpu, "parts");
    let parameters =
        [Parameter::value(three), Parameter::Binding(0), Parameter::Value([9u8].as_slice().into())];
    // More than the 48 KiB that a kernel gets without asking.
    let shared = 60 << 10;
    let made = CudaLaunch::new(parts.clone(), [1, 1, 1], [512, 1, 1], shared, &parameters).unwrap();
    let mut lane = Lane::new(&gpu);
    let out = lane.take(20);
    lane.push("parts", Arc::new(made), &[(&out, Write)]);
    let tick = lane.submit();
    lane.wait(tick).unwrap();
    let got: Vec<f32> = read(&*gpu, &out, 5).into_iter().map(f32::from_bits).collect();
    assert_eq!(got, [7.0, (1u64 << 40) as f32, 2.5, 9.0, 511.0]);

    let refused = |grid, block, shared| -> String {
        let error = CudaLaunch::new(parts.clone(), grid, block, shared, &parameters).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Kernel);
        error.to_string()
    };
    assert!(refused([1, 1, 1], [2048, 1, 1], 0).contains("[2048, 1, 1] threads"));
    assert!(refused([1, 70_000, 1], [32, 1, 1], 0).contains("grid"));
    assert!(refused([0, 1, 1], [32, 1, 1], 0).contains("grid"));
    assert!(refused([1, 1, 1], [32, 1, 1], 1 << 20).contains("shared memory"));
}

#[test]
fn a_missing_kernel_is_an_error() {
    let Some(gpu) = gpu() else { return };
    let error = gpu.kernel(&source(), "no_such_kernel").unwrap_err();
    assert!(error.to_string().contains("no_such_kernel"), "{error}");
    // Nothing is the worse for it.
    kernel(&gpu, "add");
}

/// Compiles without a device; `None` where there is no compiler.
fn compile(
    text: &str,
    options: &[&str],
    architecture: &str,
    cache: Option<KernelCache>,
) -> Option<Result<Vec<u8>>> {
    if let Err(e) = Nvrtc::get() {
        eprintln!("nothing was tested: {e}");
        return None;
    }
    let options = options.iter().map(ToString::to_string).collect();
    let source = Source { name: "kernel.cu".into(), text: text.into(), options };
    Some(Compiler::new(architecture, (13, 0)).with_cache(cache).code(&source))
}

#[test]
fn every_architecture_compiles() {
    for architecture in ["sm_80", "sm_89", "sm_90a", "sm_100a"] {
        let Some(code) = compile(crate::lanes::TEXT, &[], architecture, None) else { return };
        let code = code.unwrap();
        assert_eq!(&code[..4], b"\x7fELF", "{architecture}");
    }
}

#[test]
fn errors_of_the_compiler_have_file_and_line() {
    let text =
        "#if WIDTH != 4\n#error width\n#endif\nextern \"C\" __global__ void f(int* x) {\n  *x = y;\n}\n";
    let Some(code) = compile(text, &["-DWIDTH=4"], "sm_80", None) else { return };
    let error = code.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Kernel);
    let told = error.to_string();
    assert!(told.contains("kernel.cu(5)") && told.contains("\"y\" is undefined"), "{told}");
    let bad = compile(text, &["--no-such-option"], "sm_80", None).unwrap().unwrap_err().to_string();
    assert!(bad.contains("no-such-option"), "{bad}");
    assert!(compile("a\0b", &[], "sm_80", None).unwrap().is_err());
}

#[test]
fn code_comes_from_the_cache_the_second_time() {
    let folder = tempfile::tempdir().unwrap();
    let cache = || Some(KernelCache::new(folder.path()));
    let text = "extern \"C\" __global__ void f(int* x) { *x = WIDTH; }";
    let Some(first) = compile(text, &["-DWIDTH=4"], "sm_80", cache()) else { return };
    let first = first.unwrap();
    let files = || std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(files(), 1);
    // The very bytes of the file come back, so it was not compiled.
    let path = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
    let when = || std::fs::metadata(&path).unwrap().len();
    let length = when();
    assert_eq!(compile(text, &["-DWIDTH=4"], "sm_80", cache()).unwrap().unwrap(), first);
    assert_eq!((files(), when()), (1, length));
    for (options, architecture) in [(["-DWIDTH=5"], "sm_80"), (["-DWIDTH=4"], "sm_90a")] {
        compile(text, &options, architecture, cache()).unwrap().unwrap();
    }
    assert_eq!(files(), 3);
    // A damaged entry is compiled again.
    let mut data = std::fs::read(&path).unwrap();
    let end = data.len() - 1;
    data[end] ^= 0xff;
    std::fs::write(&path, data).unwrap();
    compile(text, &["-DWIDTH=4"], "sm_80", cache()).unwrap().unwrap();
    assert_eq!(files(), 3);
}

#[test]
fn kernels_outlive_their_eviction() {
    let Some(gpu) = gpu() else { return };
    let mut lane = Lane::new(&gpu);
    let n = 1024;
    let out = lane.take(4 * n);
    let late = kernel(&gpu, "fill_late");
    let parameters = [Parameter::Binding(0), number(n as u32), number(17), number(50_000_000)];
    lane.push("fill_late", launch(&late, n, &parameters), &[(&out, Write)]);
    drop(late);
    gpu.unload();
    let tick = lane.submit();
    gpu.unload();
    lane.wait(tick).unwrap();
    assert_eq!(read(&*gpu, &out, n), vec![17; n]);
}

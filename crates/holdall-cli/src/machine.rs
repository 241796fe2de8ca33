//! The machine: operating system, processor, memory. What cannot be found out is `None`.

use std::fs;
use std::process::Command;

use serde::Serialize;

/// What `doctor` tells of the machine.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// Operating system with its version.
    pub os: String,
    /// Processor architecture, as Rust calls it.
    pub arch: &'static str,
    /// The processor.
    pub cpu: Cpu,
    /// The memory.
    pub memory: Memory,
}

/// The processor.
#[derive(Debug, Clone, Serialize)]
pub struct Cpu {
    /// The maker's name for it.
    pub model: Option<String>,
    /// Logical processors of the machine.
    pub logical_cores: Option<usize>,
    /// How many threads this process may run at once (affinity and container limits count).
    pub usable_cores: Option<usize>,
    /// Vector instruction sets that kernels may use.
    pub simd: Vec<&'static str>,
}

/// The memory, in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// Of the machine.
    pub total_bytes: Option<u64>,
    /// What can be had without swapping.
    pub available_bytes: Option<u64>,
    /// What the container lets this process use, if less than the machine has.
    pub limit_bytes: Option<u64>,
}

impl Machine {
    /// Looks at this machine.
    pub fn look() -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let cpu = Cpu {
            model: cpu_model(&cpuinfo).or_else(|| sysctl("machdep.cpu.brand_string")).or_else(windows_cpu),
            logical_cores: processors(&cpuinfo)
                .or_else(|| sysctl("hw.logicalcpu").and_then(|text| text.parse().ok())),
            usable_cores: std::thread::available_parallelism().ok().map(Into::into),
            simd: simd(),
        };
        Self { os: os(), arch: std::env::consts::ARCH, cpu, memory: memory() }
    }
}

fn os() -> String {
    let pretty = fs::read_to_string("/etc/os-release").ok().and_then(|text| os_release(&text));
    let name = pretty
        .or_else(|| output("sw_vers", &["-productVersion"]).map(|version| format!("macOS {version}")))
        .unwrap_or_else(|| std::env::consts::OS.to_owned());
    match fs::read_to_string("/proc/sys/kernel/osrelease") {
        Ok(kernel) => format!("{name}, kernel {}", kernel.trim()),
        Err(_) => name,
    }
}

/// `PRETTY_NAME` of /etc/os-release.
fn os_release(text: &str) -> Option<String> {
    let value = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    Some(value.trim().trim_matches(['"', '\'']).to_owned()).filter(|name| !name.is_empty())
}

/// The first model name of /proc/cpuinfo.
fn cpu_model(cpuinfo: &str) -> Option<String> {
    let field = |name: &str| {
        cpuinfo.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            (key.trim() == name).then(|| value.trim().to_owned())
        })
    };
    // ARM kernels give numbers of maker and part, and on small boards a model.
    field("model name")
        .or_else(|| field("Model"))
        .filter(|model| !model.is_empty())
        .or_else(|| Some(format!("implementer {}, part {}", field("CPU implementer")?, field("CPU part")?)))
}

fn processors(cpuinfo: &str) -> Option<usize> {
    let count =
        cpuinfo.lines().filter(|line| line.split(':').next().is_some_and(|key| key.trim() == "processor"));
    Some(count.count()).filter(|&count| count > 0)
}

fn windows_cpu() -> Option<String> {
    std::env::var("PROCESSOR_IDENTIFIER").ok()
}

fn memory() -> Memory {
    if let Ok(text) = fs::read_to_string("/proc/meminfo") {
        let total_bytes = meminfo(&text, "MemTotal");
        let limit = container_limit().filter(|&limit| total_bytes.is_none_or(|total| limit < total));
        return Memory { total_bytes, available_bytes: meminfo(&text, "MemAvailable"), limit_bytes: limit };
    }
    let total_bytes = sysctl("hw.memsize").and_then(|text| text.parse().ok());
    Memory { total_bytes, ..Memory::default() }
}

/// A field of /proc/meminfo, which counts in units of 1024 bytes.
fn meminfo(text: &str, name: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    let kib: u64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// The least memory limit of the control groups that this process is in.
fn container_limit() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let own = groups.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("/");
    let v2 = std::path::Path::new(own).ancestors().filter_map(|group| {
        let group = group.strip_prefix("/").unwrap_or(group);
        fs::read_to_string(std::path::Path::new("/sys/fs/cgroup").join(group).join("memory.max")).ok()
    });
    let v1 = fs::read_to_string("/sys/fs/cgroup/memory/memory.limit_in_bytes").ok();
    v2.chain(v1).filter_map(|text| text.trim().parse().ok()).min()
}

/// A value that macOS tells.
fn sysctl(name: &str) -> Option<String> {
    if cfg!(target_os = "macos") { output("/usr/sbin/sysctl", &["-n", name]) } else { None }
}

fn output(program: &str, args: &[&str]) -> Option<String> {
    if !cfg!(target_os = "macos") {
        return None;
    }
    let output = Command::new(program).args(args).output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// Lists those of the named features that the processor has.
macro_rules! detected {
    ($test:ident: $($name:tt)*) => {
        [$(($name, std::arch::$test!($name))),*].into_iter().filter(|(_, there)| *there).map(|(name, _)| name).collect()
    };
}

#[cfg(target_arch = "x86_64")]
fn simd() -> Vec<&'static str> {
    detected!(is_x86_feature_detected:
        "sse4.2" "avx" "f16c" "fma" "avx2" "avxvnni" "avx512f" "avx512bw" "avx512dq" "avx512vl" "avx512vnni" "avx512bf16"
        "avx512fp16")
}

#[cfg(target_arch = "aarch64")]
fn simd() -> Vec<&'static str> {
    detected!(is_aarch64_feature_detected: "neon" "fp16" "dotprod" "bf16" "i8mm" "sve" "sve2")
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn simd() -> Vec<&'static str> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_files_are_read() {
        let cpuinfo = "processor\t: 0\nmodel name\t: Fast CPU @ 3 GHz\nprocessor\t: 1\nmodel name\t: Fast CPU @ 3 GHz\n";
        assert_eq!(cpu_model(cpuinfo).as_deref(), Some("Fast CPU @ 3 GHz"));
        assert_eq!(processors(cpuinfo), Some(2));
        let arm = "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n";
        assert_eq!(cpu_model(arm).as_deref(), Some("implementer 0x41, part 0xd0c"));
        assert_eq!((cpu_model(""), processors("")), (None, None));
        let info = "MemTotal:        1024 kB\nMemFree:  1 kB\nMemAvailable:    512 kB\n";
        assert_eq!(
            (meminfo(info, "MemTotal"), meminfo(info, "MemAvailable")),
            (Some(1 << 20), Some(1 << 19))
        );
        assert_eq!(meminfo(info, "Mem"), None);
        assert_eq!(os_release("ID=x\nPRETTY_NAME=\"X 12\"\n").as_deref(), Some("X 12"));
    }

    #[test]
    fn this_machine_has_a_processor() {
        let machine = Machine::look();
        assert!(machine.cpu.usable_cores.is_some_and(|count| count > 0));
        assert!(!machine.os.is_empty());
    }
}

//! `holdall kernel`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// Options of `holdall kernel`.
#[derive(Debug, Clone, PartialEq, Args)]
#[command(subcommand_required = true, arg_required_else_help = true, disable_help_subcommand = true)]
pub struct KernelArgs {
    /// What to do with kernels.
    #[command(subcommand)]
    pub command: KernelCommand,
}

/// What to do with kernels.
#[derive(Debug, Clone, PartialEq, Subcommand)]
pub enum KernelCommand {
    /// Look for mistakes in kernels
    #[command(
        after_help = "--help shows the format of FILE.",
        after_long_help = FORMAT
    )]
    Check {
        /// Kernels, a JSON file each
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
        /// Print a JSON list with an object for each kernel
        #[arg(long)]
        json: bool,
    },
    /// Run a kernel in checked mode and write its outputs as .npy files
    #[command(
        after_help = "FILE is described by holdall kernel check --help; it has to say what inputs, outputs and grid are."
    )]
    Run {
        /// The kernel's JSON file
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Folder for the outputs, each as its name with .npy; made if need be
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Print what a kernel is translated to
    Emit {
        /// The kernel's JSON file
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// What to print
        #[arg(long, value_enum, default_value_t = Target::Ir)]
        target: Target,
    },
}

/// What a kernel can be translated to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Target {
    /// The typed representation that all backends start from
    Ir,
    /// What the CPU runs: steps over rows of lanes
    Simt,
    /// CUDA C++ for NVRTC, with its options and the kernel's parameters in comments
    Cuda,
}

const FORMAT: &str = "\
FILE holds one object:
  name           text, for messages
  source         the inside of the kernel, in the Metal Shading Language
  header         declarations before it
  input_names    list of names
  output_names   list of names
  inputs         list of {\"shape\": [...], \"dtype\": \"float32\"}, one for each name; with \"scalar\" a
                 number, with \"file\" the path of an .npy file, seen from FILE's folder
  outputs        list of {\"shape\": [...], \"dtype\": \"float32\"}
  template       list of [name, value]: a whole number, true, false or the name of a type
  grid, threadgroup
                 numbers of threads: [x, y, z]
  init_value     what outputs hold at first; also \"inf\", \"-inf\", \"NaN\"
  read_write     names of inputs that the kernel also writes; kernel run writes them as outputs, too
  ensure_row_contiguous, atomic_outputs
                 as in MLX: true and false, unless said otherwise

Only name, source and output_names are needed. With grid, outputs and, if there are any, inputs, the
kernel is run in checked mode; inputs without scalar or file get numbers that are made up. Types that are not said are taken to be float32, and what was
taken is printed.

Exit codes: 0 no mistakes, 1 mistakes, 2 a file that cannot be read or makes no sense. Warnings do
not count.

A program that runs with HOLDALL_KERNEL_DUMP=DIR writes such files for the kernels that it launches.

With --json, each object has: name, compiled, ran, seconds, findings: a list of {kind, severity, part
(body or header), line, column, thread, group, others, count, message}. Lines count from 1 in the
text of that part.";

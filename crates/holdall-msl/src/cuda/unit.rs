//! The translation unit: prelude, header, and a kernel with the generated signature around the body.

use std::fmt::Write as _;
use std::sync::OnceLock;

use super::log::file_name;
use super::rewrite::{Text, Whole};
use super::{CudaArgument, CudaOptions};
use crate::ir::{Attribute, BufferRole};
use crate::scalar::ElementType;
use crate::signature::{BufferParameter, Signature, TemplateValue};
use crate::source::Part;

/// The language, by subject.
const LANGUAGE: &[(&str, &str)] = &[
    ("types.cu", include_str!("prelude/types.cu")),
    ("vector.cu", include_str!("prelude/vector.cu")),
    ("math.cu", include_str!("prelude/math.cu")),
    ("integer.cu", include_str!("prelude/integer.cu")),
    ("simd.cu", include_str!("prelude/simd.cu")),
    ("atomic.cu", include_str!("prelude/atomic.cu")),
    ("launch.cu", include_str!("prelude/launch.cu")),
];

struct Prelude {
    text: String,
    macros: Vec<String>,
}

/// What every kernel sees. MLX's helpers are those of the other backends, rewritten as a user's text is.
fn prelude() -> &'static Prelude {
    static PRELUDE: OnceLock<Prelude> = OnceLock::new();
    PRELUDE.get_or_init(|| {
        let mut text = "namespace holdall {\nnamespace metal {\n".to_owned();
        for (name, part) in LANGUAGE {
            let _ = writeln!(text, "#line 1 \"{name}\"\n{part}");
        }
        let mut whole = Whole::default();
        // A test says that it can be read.
        let library = Text::read(Part::Prelude, crate::prelude::TEXT, &mut whole)
            .map(|library| library.rewrite(&mut whole))
            .unwrap_or_default();
        let _ = writeln!(text, "#line 1 \"{}\"\n{library}", file_name(Part::Prelude));
        text.push_str(
            "}\nusing namespace metal;\nnamespace std {\nusing namespace metal;\n}\nnamespace mlx {\nusing namespace metal;\n}\n",
        );
        Prelude { text, macros: whole.macros.into_iter().collect() }
    })
}

/// The name of a kernel, made of what names are made of.
pub(super) fn entry(name: &str) -> String {
    let plain = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' });
    format!("holdall_kernel_{}", plain.collect::<String>())
}

/// Whether floats of 16 bits come in by the signature.
pub(super) fn has_short_types(signature: &Signature) -> bool {
    let is_short = |element: &ElementType| matches!(element, ElementType::F16 | ElementType::BF16);
    signature.buffers().iter().any(|buffer| is_short(&buffer.element))
        || signature
            .template()
            .iter()
            .any(|(_, value)| matches!(value, TemplateValue::Type(element) if is_short(element)))
}

/// The parameters, in order.
pub(super) fn arguments(signature: &Signature) -> Vec<CudaArgument> {
    let buffers = signature.buffers().iter().enumerate();
    let mut arguments: Vec<CudaArgument> = buffers.map(|(i, b)| super::argument(i, b)).collect();
    arguments.push(CudaArgument::Launch);
    arguments
}

pub(super) struct Unit<'a> {
    pub entry: &'a str,
    pub header: &'a str,
    pub body: &'a str,
    pub signature: &'a Signature,
    pub whole: &'a Whole,
    pub options: &'a CudaOptions,
}

impl Unit<'_> {
    pub fn text(&self) -> String {
        let prelude = prelude();
        let mut text = swizzles(self.whole);
        text.push_str(&prelude.text);
        for name in prelude.macros.iter().filter(|name| self.whole.macros.contains(*name)) {
            let _ = writeln!(text, "#undef {name}");
        }
        let _ = writeln!(text, "#line 1 \"{}\"\n{}", file_name(Part::Header), self.header);
        let _ = writeln!(text, "#line 1 \"{}\"", file_name(Part::Signature));
        self.signature(&mut text);
        let _ = writeln!(text, "#line 1 \"{}\"\n{}", file_name(Part::Body), self.body);
        let _ = writeln!(text, "#line 1 \"{}\"\n}}\n}}\n}}", file_name(Part::Signature));
        text
    }

    /// The head of the kernel, and everything that the body sees besides the header.
    fn signature(&self, text: &mut String) {
        let mut parameters: Vec<String> = self.signature.buffers().iter().map(parameter).collect();
        parameters.push("const __grid_constant__ impl_::grid_facts holdall_launch".to_owned());
        let bounds = self.options.group_size.map_or(String::new(), |n| format!("__launch_bounds__({n}) "));
        let _ = writeln!(
            text,
            "extern \"C\" __global__ void {bounds}{}(\n    {}) {{",
            self.entry,
            parameters.join(",\n    ")
        );
        text.push_str("const impl_::position holdall_at(holdall_launch);\n");
        text.push_str("if (threadIdx.x >= holdall_at.n) return;\n");
        for buffer in self.signature.buffers() {
            text.push_str(&variable(buffer));
        }
        for attribute in self.signature.attributes() {
            let ty = if attribute.n_components() == 3 { "uint3" } else { "uint" };
            let _ = writeln!(text, "const {ty} {}({});", attribute.name(), value(*attribute));
        }
        for (name, value) in self.signature.template() {
            let _ = match value {
                TemplateValue::Type(element) => writeln!(text, "using {name} = {};", element.msl()),
                TemplateValue::Bool(value) => writeln!(text, "constexpr bool {name} = {value};"),
                TemplateValue::Int(value) => writeln!(text, "constexpr int {name} = {value};"),
            };
        }
        // The body may have variables of the same names.
        text.push_str("{\n");
    }
}

/// A parameter of the kernel.
fn parameter(buffer: &BufferParameter) -> String {
    let BufferParameter { name, element, .. } = buffer;
    let element = element.msl();
    match buffer.role {
        BufferRole::Input(_) => format!("const {element}* holdall_argument_{name}"),
        BufferRole::Output(_) if buffer.is_atomic => format!("atomic<{element}>* holdall_argument_{name}"),
        BufferRole::Output(_) => format!("{element}* holdall_argument_{name}"),
        BufferRole::Shape(_) | BufferRole::Strides(_) => {
            format!("const __grid_constant__ impl_::axes<{element}> holdall_argument_{name}")
        }
        BufferRole::Ndim(_) => format!("const __grid_constant__ {element} holdall_argument_{name}"),
        BufferRole::Parameter(_) => {
            format!(
                "const __grid_constant__ impl_::values<{element}, {}> holdall_argument_{name}",
                buffer.n_elems
            )
        }
    }
}

/// The variable that the body knows.
fn variable(buffer: &BufferParameter) -> String {
    let BufferParameter { name, element, .. } = buffer;
    let element = element.msl();
    match buffer.role {
        BufferRole::Input(_) if buffer.is_reference => {
            format!("const {element}& {name} = *holdall_argument_{name};\n")
        }
        BufferRole::Input(_) | BufferRole::Output(_) => format!("auto {name} = holdall_argument_{name};\n"),
        BufferRole::Shape(_) | BufferRole::Strides(_) => {
            format!("const {element}* {name} = holdall_argument_{name}.of;\n")
        }
        BufferRole::Ndim(_) => format!("const {element}& {name} = holdall_argument_{name};\n"),
        BufferRole::Parameter(_) if buffer.is_reference => {
            format!("const {element}& {name} = holdall_argument_{name}.of[0];\n")
        }
        BufferRole::Parameter(_) => format!("const {element}* {name} = holdall_argument_{name}.of;\n"),
    }
}

fn value(attribute: Attribute) -> &'static str {
    use Attribute as A;
    match attribute {
        A::DispatchQuadgroupsPerThreadgroup => {
            "(holdall_at.nominal.x * holdall_at.nominal.y * holdall_at.nominal.z + 3) / 4"
        }
        A::DispatchSimdgroupsPerThreadgroup => {
            "(holdall_at.nominal.x * holdall_at.nominal.y * holdall_at.nominal.z + 31) / 32"
        }
        A::DispatchThreadsPerThreadgroup => "holdall_at.nominal",
        A::GridOrigin => "0",
        A::GridSize | A::ThreadsPerGrid => "holdall_at.grid",
        A::QuadgroupIndexInThreadgroup => "threadIdx.x / 4",
        A::QuadgroupsPerThreadgroup => "(holdall_at.n + 3) / 4",
        A::SimdgroupIndexInThreadgroup => "threadIdx.x / 32",
        A::SimdgroupsPerThreadgroup => "(holdall_at.n + 31) / 32",
        A::ThreadExecutionWidth | A::ThreadsPerSimdgroup => "32",
        A::ThreadIndexInQuadgroup => "threadIdx.x % 4",
        A::ThreadIndexInSimdgroup => "threadIdx.x % 32",
        A::ThreadIndexInThreadgroup => "threadIdx.x",
        A::ThreadPositionInGrid => "holdall_at.group * holdall_at.nominal + holdall_at.local",
        A::ThreadPositionInThreadgroup => "holdall_at.local",
        A::ThreadgroupPositionInGrid => "holdall_at.group",
        A::ThreadgroupsPerGrid => "holdall_at.groups",
        A::ThreadsPerThreadgroup => "holdall_at.size",
    }
}

/// The swizzles that vectors need, as a macro of the prelude.
fn swizzles(whole: &Whole) -> String {
    let mut text = "#define METAL_SWIZZLES".to_owned();
    for name in &whole.swizzles {
        let places = name.chars().map(|c| ["xr", "yg", "zb", "wa"].iter().position(|of| of.contains(c)));
        let places: Vec<String> = places.map(|at| at.unwrap_or(0).to_string()).collect();
        let _ = write!(text, " METAL_SWIZZLE({name}, {})", places.join(", "));
    }
    text.push('\n');
    text
}

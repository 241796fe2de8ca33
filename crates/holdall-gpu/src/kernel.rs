//! The kernels' files: what a `.metal` file says of each kernel in it.
//!
//! A file is ordinary Metal. Its kernels are templates,
//!
//! ```text
//! template <typename T, bool HAS_WEIGHT, int N>
//! [[kernel]] void name(
//!     const device T* x,             // memory that is read
//!     device T* y,                   // memory that is written
//!     device atomic<uint>* n,        // the same, of atomic elements
//!     const constant uint& size,     // a value that comes with the launch
//!     const constant long steps[N])  // several; how many is a product of numbers and template parameters
//! { … }
//! ```
//!
//! except that attributes (`thread_position_in_grid`, …) are there without being declared, as in custom kernels. All that is
//! outside of its kernels is the header of each of them, behind `common.metal`. Threadgroup variables stand in a kernel's own body.

use std::sync::OnceLock;

use holdall_msl::ir::BufferRole;
use holdall_msl::{BufferParameter, ElementType, Signature, Space, TemplateValue};

/// What every kernel may use.
pub(crate) const COMMON: &str = include_str!("../kernels/common.metal");

/// A kernel of a file.
#[derive(Debug)]
pub(crate) struct Kernel {
    pub name: &'static str,
    file: &'static str,
    parsed: OnceLock<Result<Parsed, String>>,
}

/// A kernel's text in parts.
#[derive(Debug)]
pub(crate) struct Parsed {
    pub header: String,
    pub body: String,
    /// Names of the template parameters.
    pub template: Vec<String>,
    pub parameters: Vec<Parameter>,
}

/// A parameter as it is written.
#[derive(Debug)]
pub(crate) struct Parameter {
    name: String,
    element: String,
    pub role: BufferRole,
    is_reference: bool,
    is_atomic: bool,
    /// Factors of the number of elements.
    count: Vec<String>,
}

impl Kernel {
    /// The kernel called `name` in the text of a file.
    pub const fn new(name: &'static str, file: &'static str) -> Self {
        Self { name, file, parsed: OnceLock::new() }
    }

    /// The parts of its text.
    ///
    /// # Errors
    /// When the file is not written as it has to be.
    pub fn parsed(&self) -> Result<&Parsed, &str> {
        self.parsed.get_or_init(|| Parsed::find(self.file, self.name)).as_ref().map_err(String::as_str)
    }
}

const MARK: &str = "[[kernel]]";

impl Parsed {
    fn find(file: &str, name: &str) -> Result<Self, String> {
        let mut header = String::from(COMMON);
        let mut found = None;
        let mut rest = file;
        while let Some(at) = rest.find(MARK) {
            let lead = &rest[..at];
            let start = lead.rfind("template").filter(|i| !lead[*i..].contains([';', '}'])).unwrap_or(at);
            header.push_str(&lead[..start]);
            let after = &rest[at + MARK.len()..];
            let open = after.find('(').ok_or("a kernel without parameters")?;
            let close = open + matching(&after[open..], '(', ')').ok_or("parameters that do not end")?;
            let brace = close + after[close..].find('{').ok_or("a kernel without a body")?;
            let end = brace + matching(&after[brace..], '{', '}').ok_or("a body that does not end")?;
            let its_name = after[..open].trim().strip_prefix("void").unwrap_or("").trim();
            if its_name == name {
                found = Some((&lead[start..], &after[open + 1..close], &after[brace + 1..end]));
            }
            rest = &after[end + 1..];
        }
        header.push_str(rest);
        let (template, parameters, body) = found.ok_or_else(|| format!("there is no kernel {name}"))?;
        let template = match (template.find('<'), template.rfind('>')) {
            (Some(open), Some(close)) => names(&template[open + 1..close]),
            _ => Vec::new(),
        };
        let (mut inputs, mut outputs, mut values) = (0, 0, 0);
        let next = |role: &mut u32| {
            *role += 1;
            *role - 1
        };
        let mut list = Vec::new();
        for text in parameters.split(',').map(str::trim).filter(|text| !text.is_empty()) {
            let mut parameter = Parameter::parse(text)?;
            parameter.role = match parameter.role {
                BufferRole::Input(_) => BufferRole::Input(next(&mut inputs)),
                BufferRole::Output(_) => BufferRole::Output(next(&mut outputs)),
                _ => BufferRole::Parameter(next(&mut values)),
            };
            list.push(parameter);
        }
        Ok(Self { header, body: body.to_owned(), template, parameters: list })
    }

    /// The signature for these template arguments.
    ///
    /// # Errors
    /// When they are not those of the kernel.
    pub fn signature(&self, arguments: &[TemplateValue]) -> Result<Signature, String> {
        if arguments.len() != self.template.len() {
            return Err(format!("wanted template arguments {:?}, got {arguments:?}", self.template));
        }
        let template: Vec<(&str, TemplateValue)> =
            self.template.iter().map(String::as_str).zip(arguments.iter().copied()).collect();
        let argument = |name: &str| template.iter().find(|(its, _)| *its == name).map(|(_, value)| *value);
        let mut buffers = Vec::new();
        for parameter in &self.parameters {
            let element = match argument(&parameter.element) {
                Some(TemplateValue::Type(element)) => element,
                _ => element(&parameter.element)
                    .ok_or_else(|| format!("`{}` is no type", parameter.element))?,
            };
            let is_value = matches!(parameter.role, BufferRole::Parameter(_));
            let mut n_elems = u32::from(is_value);
            for factor in &parameter.count {
                n_elems *= match (factor.parse(), argument(factor)) {
                    (Ok(n), _) => n,
                    (_, Some(TemplateValue::Int(n))) => n as u32,
                    _ => return Err(format!("`{factor}` is no number")),
                };
            }
            buffers.push(BufferParameter {
                name: parameter.name.clone(),
                role: parameter.role,
                element,
                space: if is_value { Space::Constant } else { Space::Device },
                is_reference: parameter.is_reference,
                is_atomic: parameter.is_atomic,
                n_elems,
            });
        }
        Signature::new(buffers, &self.body, &template).map_err(|e| e.to_string())
    }
}

impl Parameter {
    fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no parameter of a kernel");
        let (declared, count) = match text.split_once('[') {
            Some((declared, count)) => (declared, Some(count.trim_end_matches(']'))),
            None => (text, None),
        };
        let is_const = declared.trim_start().starts_with("const ");
        let rest = declared.trim_start().trim_start_matches("const ").trim_start();
        let (space, rest) = rest.split_once(' ').ok_or_else(wrong)?;
        let rest = rest.trim_end();
        let at = rest.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_').ok_or_else(wrong)?;
        let (declared, name) = (rest[..=at].trim_end(), &rest[at + 1..]);
        let sign = declared.as_bytes()[declared.len() - 1];
        let element = declared.trim_end_matches(['*', '&']).trim();
        let atomic = element.strip_prefix("atomic<").and_then(|inner| inner.strip_suffix('>'));
        let role = match (space, is_const, sign, count.is_some()) {
            ("device", true, b'*', false) => BufferRole::Input(0),
            ("device", false, b'*', false) => BufferRole::Output(0),
            ("constant", true, b'&', false) => BufferRole::Parameter(0),
            ("constant", true, b'*', _) | ("device", ..) => return Err(wrong()),
            ("constant", true, _, true) => BufferRole::Parameter(0),
            _ => return Err(wrong()),
        };
        Ok(Self {
            name: name.to_owned(),
            element: atomic.unwrap_or(element).trim().to_owned(),
            role,
            is_reference: sign == b'&',
            is_atomic: atomic.is_some(),
            count: count.unwrap_or("1").split('*').map(|factor| factor.trim().to_owned()).collect(),
        })
    }
}

/// The index of the bracket that closes the first one.
fn matching(text: &str, open: char, close: char) -> Option<usize> {
    let mut depth = 0usize;
    let mut comment = false;
    for (i, c) in text.char_indices() {
        match c {
            '\n' => comment = false,
            _ if comment => {}
            '/' if text[i..].starts_with("//") => comment = true,
            _ if c == open => depth += 1,
            _ if c == close => {
                depth -= 1;
                if depth == 0 {
                    return Some(i);
                }
            }
            _ => {}
        }
    }
    None
}

/// The last word of each entry.
fn names(list: &str) -> Vec<String> {
    list.split(',').filter_map(|entry| entry.split_whitespace().last()).map(str::to_owned).collect()
}

fn element(name: &str) -> Option<ElementType> {
    Some(match name {
        "bool" => ElementType::Bool,
        "uchar" => ElementType::U8,
        "int" => ElementType::I32,
        "uint" => ElementType::U32,
        "long" => ElementType::I64,
        "ulong" => ElementType::U64,
        "half" => ElementType::F16,
        "bfloat" => ElementType::BF16,
        "float" => ElementType::F32,
        _ => return None,
    })
}

/// Compiles a kernel for these template arguments, as CPUs run it.
#[cfg(test)]
pub(crate) fn compile(kernel: &'static Kernel, template: &[TemplateValue]) {
    let parsed = kernel.parsed().unwrap_or_else(|e| panic!("{}: {e}", kernel.name));
    let signature = parsed.signature(template).unwrap_or_else(|e| panic!("{}: {e}", kernel.name));
    let source = holdall_msl::KernelSource { name: kernel.name, header: &parsed.header, body: &parsed.body };
    if let Err(e) = holdall_msl::compile(&source, &signature) {
        panic!("{} with {template:?}: {e}", kernel.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_what_its_kernels_take() {
        let file = "int twice(int x) { return 2 * x; }\ntemplate <typename T, int N>\n[[kernel]] void first(const device T* x,
            device atomic<uint>* y, const constant uint& n, const constant long steps[2 * N]) { if (n) { y[0]; } // }\n }
            [[kernel]] void second(device float* z) {} int last;";
        let first = Parsed::find(file, "first").unwrap();
        assert!(first.header.contains("int twice(int x)") && first.header.contains("int last;"));
        assert!(!first.header.contains("second") && !first.header.contains("typename T, int N"));
        let arguments = [TemplateValue::Type(ElementType::F16), TemplateValue::Int(3)];
        let signature = first.signature(&arguments).unwrap();
        let [x, y, n, steps] = signature.buffers() else { panic!("four buffers: {signature}") };
        assert_eq!((x.role, x.element, x.is_reference), (BufferRole::Input(0), ElementType::F16, false));
        assert_eq!((y.role, y.element, y.is_atomic), (BufferRole::Output(0), ElementType::U32, true));
        assert_eq!((n.role, n.is_reference, n.n_elems), (BufferRole::Parameter(0), true, 1));
        assert_eq!((steps.element, steps.is_reference, steps.n_elems), (ElementType::I64, false, 6));
        assert!(first.signature(&arguments[..1]).is_err());
        assert!(Parsed::find(file, "third").is_err());
        assert!(
            Parsed::find("[[kernel]] void k(device float y) {}", "k").unwrap_err().contains("device float y")
        );
    }
}

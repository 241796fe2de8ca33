//! One input of unknown origin, for the fuzz target and for plain tests.

use holdall_msl::{ElementType, Input, KernelSource, Output, Signature, TemplateValue, compile};

/// Compiles bytes as a kernel: header and body are parted by `/*body*/`. Says whether that worked; panics if the program
/// that came out is not well formed.
pub fn exercise(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let (header, body) = text.split_once("/*body*/").unwrap_or(("", &text));
    let input = |name, element, ndim, n_elems| Input { name, element, ndim, n_elems };
    let inputs = [
        input("x", ElementType::F32, 2, 64),
        input("a", ElementType::F32, 2, 64),
        input("b", ElementType::F32, 2, 64),
        input("q", ElementType::F32, 1, 64),
        input("k", ElementType::F32, 1, 64),
        input("v", ElementType::F32, 1, 64),
        input("gate", ElementType::F32, 1, 2),
        input("state_in", ElementType::F32, 2, 64),
        input("theta", ElementType::F32, 1, 64),
        input("pairs", ElementType::I16, 1, 64),
        input("position", ElementType::F32, 1, 64),
        input("cotangent", ElementType::F32, 1, 64),
    ];
    let outputs =
        ["c", "values", "indices", "state_out"].map(|name| Output { name, element: ElementType::F32 });
    let outputs = [&outputs[..], &[Output { name: "y", element: ElementType::F32 }]].concat();
    let template = [
        ("T", TemplateValue::Type(ElementType::F32)),
        ("N", TemplateValue::Int(16)),
        ("K", TemplateValue::Int(4)),
        ("W", TemplateValue::Int(3)),
        ("Dk", TemplateValue::Int(64)),
    ];
    // Atomic outputs are what the scatter sample needs.
    let atomic = body.contains("&y[q.y");
    let Ok(signature) = Signature::derive(body, &inputs, &outputs, atomic, &template) else { return false };
    match compile(&KernelSource { name: "exercise", header, body }, &signature) {
        Ok(compiled) => {
            if let Err(error) = compiled.program.check() {
                panic!("{error}\n{}", compiled.program);
            }
            assert!(compiled.program.to_string().starts_with("kernel exercise {"));
            true
        }
        Err(error) => {
            assert!(!error.diagnostics().is_empty() && !error.to_string().is_empty());
            false
        }
    }
}

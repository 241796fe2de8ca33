//! The kernel: its parameters, its body, and what the header has besides.

use super::emit::{Builder, int64};
use super::overload::Candidate;
use super::scope::{Binding, Decl, Globals};
use super::types::{Ty, TyKind, Types};
use super::value::{Place, Value};
use super::{Frame, Language, Lower};
use crate::ast::{Item, Stmt};
use crate::diagnostic::{Kind, Result, Sink};
use crate::ir::{Buffer, ObjectKind, OpKind, Operand, Program, Reg};
use crate::scalar::{ElementType, Scalar, Space};
use crate::signature::{Signature, TemplateValue};
use crate::source::{SourceMap, Span};
use crate::symbol::{Interner, Symbol};

/// What was parsed.
pub(crate) struct Parsed<'a> {
    pub name: &'a str,
    pub header: &'a [Item],
    pub body: &'a [Stmt],
    pub signature: &'a Signature,
    /// The names of the signature: buffers, attributes, template parameters.
    pub symbols: &'a [Symbol],
    /// Namespaces whose names are global.
    pub transparent: &'a [Symbol],
}

/// Lowers a kernel. If there were mistakes, they are in the sink, and the program is not complete.
pub(crate) fn lower<'a>(
    parsed: &Parsed<'a>,
    names: &'a Interner,
    sink: &'a mut Sink,
    language: &'static Language,
    map: SourceMap,
) -> Program {
    let mut lower = Lower {
        names,
        sink,
        language,
        globals: Globals::collect(parsed.header, false, parsed.transparent),
        types: Types::default(),
        builder: Builder::default(),
        at: Span::default(),
        locals: Vec::new(),
        frame: Frame::default(),
        depth: 0,
        calls: Vec::new(),
        closures: Vec::new(),
        variables: rustc_hash::FxHashMap::default(),
        instances: rustc_hash::FxHashMap::default(),
        called: rustc_hash::FxHashSet::default(),
        template_depth: 0,
        constant_steps: 0,
        n_seen: 0,
        n_quiet: 0,
    };
    lower.begin_block();
    let mut buffers = Vec::new();
    if lower.parameters(parsed, &mut buffers).is_ok() {
        lower
            .scoped(|lower| {
                lower.statements(parsed.body);
                Ok::<(), crate::diagnostic::Reported>(())
            })
            .ok();
        lower.check_header();
    }
    let body = lower.end_block();
    let Builder { registers, objects, n_labels, .. } = lower.builder;
    let name = parsed.name.to_owned();
    Program { name, buffers, objects, registers, variables: Vec::new(), body, n_labels, map }
}

impl<'a> Lower<'a> {
    /// The type of elements; complex numbers are a struct of the prelude.
    fn element_type(&mut self, element: ElementType) -> Result<Ty> {
        if let Some(scalar) = element.scalar() {
            return Ok(self.types.scalar(scalar));
        }
        let symbol = self.names.find("complex64_t");
        let entries = symbol.map(|symbol| self.prelude().visible(symbol, 0)).unwrap_or_default();
        for entry in &entries {
            if let Decl::Struct(decl) = entry.decl {
                return self.instantiate(decl, Vec::new(), Vec::new(), 0, true, Span::default());
            }
        }
        Err(self.unsupported(Span::default(), "complex numbers are"))
    }

    fn parameters(&mut self, parsed: &Parsed<'a>, buffers: &mut Vec<Buffer>) -> Result<()> {
        let signature = parsed.signature;
        let mut symbols = parsed.symbols.iter().copied();
        // Buffer i is object i, so all of them come before any variable.
        let mut objects = Vec::new();
        for (i, parameter) in signature.buffers().iter().enumerate() {
            let ty = self.element_type(parameter.element)?;
            let layout = self.types.layout(ty);
            let kind = ObjectKind::Buffer(i as u32);
            objects.push(self.object(
                parameter.name.clone(),
                kind,
                parameter.space,
                layout,
                Span::default(),
            )?);
        }
        for (parameter, object) in signature.buffers().iter().zip(objects) {
            let mut ty = self.element_type(parameter.element)?;
            if parameter.is_atomic
                && let Some(scalar) = self.types.as_scalar(ty)
            {
                ty = self.types.intern(TyKind::Atomic(scalar));
            }
            let (is_const, object) = (parameter.is_const(), Operand::Object(object));
            let space = parameter.space;
            let binding = if parameter.is_reference {
                Binding::Place(Place { ty, space, is_const, object, offset: int64(0), swizzle: None })
            } else {
                let pointer = self.types.pointer(ty, space, is_const);
                // The pointer is a variable: a body may move it.
                let place = self.variable(&parameter.name, pointer, Span::default())?;
                self.store(&place, &Value::new(pointer, [object, int64(0)]))?;
                Binding::Place(place)
            };
            if let Some(symbol) = symbols.next() {
                self.locals.push((symbol, binding));
            }
            buffers.push(Buffer {
                name: parameter.name.clone(),
                role: parameter.role,
                element: parameter.element,
                is_read: false,
                is_written: false,
            });
        }
        for attribute in signature.attributes() {
            let n = attribute.n_components();
            let ty = self.types.vector(Scalar::U32, n);
            let mut parts = Vec::new();
            for component in 0..n {
                let dst: Reg = self.builder.register(Scalar::U32);
                self.operation(OpKind::Attribute(*attribute, component), &[dst], &[]);
                parts.push(Operand::Reg(dst));
            }
            let place = self.variable(attribute.name(), ty, Span::default())?;
            self.store(&place, &Value::new(ty, parts))?;
            if let Some(symbol) = symbols.next() {
                self.locals.push((symbol, Binding::Place(place)));
            }
        }
        for (_, value) in signature.template() {
            let binding = match value {
                TemplateValue::Type(element) => Binding::Type(self.element_type(*element)?),
                TemplateValue::Bool(value) => {
                    let part = super::emit::constant(Scalar::Bool, u64::from(*value));
                    Binding::Value(self.boolean(part))
                }
                TemplateValue::Int(value) => Binding::Value(self.int_value((*value).into())),
            };
            if let Some(symbol) = symbols.next() {
                self.locals.push((symbol, binding));
            }
        }
        Ok(())
    }

    /// Looks for mistakes in functions of the header that the kernel does not call, and checks assertions.
    fn check_header(&mut self) {
        let asserts = std::mem::take(&mut self.globals.asserts);
        for (condition, text, span) in asserts {
            let _ = self.in_frame(Frame::default(), [], |lower| {
                lower.attributed(span, |lower| lower.static_assert(condition, text, span))
            });
        }
        let mut all: Vec<Candidate<'a>> =
            self.globals.names.values().flatten().filter_map(Candidate::of_entry).collect();
        all.sort_by_key(|candidate| candidate.function.span.start);
        for candidate in all {
            let function = candidate.function;
            let Some(body) = &function.body else { continue };
            if function.template.is_some() || self.called.contains(&std::ptr::from_ref(function)) {
                continue;
            }
            if self.sink.is_stopped() {
                return;
            }
            let marks = (self.builder.registers.len(), self.builder.objects.len(), self.builder.n_labels);
            self.begin_block();
            self.calls.push(function);
            let _ = self.in_frame(candidate.frame(), [], |lower| {
                for parameter in &function.parameters {
                    let binding = lower.unknown_argument(parameter)?;
                    lower.locals.push((parameter.name, binding));
                }
                lower.run_body(function, body)
            });
            self.calls.pop();
            self.end_block();
            self.builder.registers.truncate(marks.0);
            self.builder.objects.truncate(marks.1);
            self.builder.n_labels = marks.2;
            self.variables.clear();
        }
    }

    /// Some value of a parameter's type.
    fn unknown_argument(&mut self, parameter: &'a crate::ast::Parameter) -> Result<Binding<'a>> {
        let resolved = self.parameter_type(parameter, None)?;
        let ty = resolved.ty;
        if resolved.is_reference {
            let object = self.builder.register(Scalar::Object);
            let offset = self.builder.register(Scalar::I64);
            return Ok(Binding::Place(Place {
                ty,
                space: resolved.space.unwrap_or(Space::Thread),
                is_const: resolved.is_const,
                object: object.into(),
                offset: offset.into(),
                swizzle: None,
            }));
        }
        if self.types.kind(ty) == TyKind::Void {
            return Err(self.sink.error(Kind::Type, parameter.span, "a parameter cannot be `void`"));
        }
        let place = self.variable(self.text(parameter.name), ty, parameter.span)?;
        Ok(Binding::Place(Place { is_const: resolved.is_const, ..place }))
    }
}

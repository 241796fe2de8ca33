//! Constant expressions: array sizes, template arguments, `case`, `if constexpr`, tables.
//!
//! An expression is lowered to a block of its own. Folding mostly leaves nothing there; what remains, such as loops of a
//! `constexpr` function, is run by a small evaluator.

use rustc_hash::FxHashMap;

use super::Lower;
use super::resolve::Resolved;
use super::scope::Binding;
use super::types::TyKind;
use super::value::Value;
use crate::ast::{Expr, ExprKind, Init, TypeKind, Variable};
use crate::diagnostic::{Kind, Result};
use crate::ir::{Const, Label, ObjectId, ObjectKind, OpKind, Operand, Reg, Stmt, fold};
use crate::limits;
use crate::scalar::Space;

#[derive(Default)]
struct Machine {
    registers: FxHashMap<Reg, Operand>,
    memory: FxHashMap<(ObjectId, i64), Operand>,
    steps: usize,
}

enum Flow {
    Next,
    Break(Label),
    Return,
}

impl Machine {
    fn get(&self, operand: Operand) -> Option<Operand> {
        match operand {
            Operand::Reg(reg) => self.registers.get(&reg).copied(),
            other => Some(other),
        }
    }

    /// Runs statements; `None` where something is not constant.
    fn run(&mut self, lower: &Lower<'_>, block: &[Stmt]) -> Option<Flow> {
        for statement in block {
            self.steps += 1;
            if self.steps > limits::CONSTANT_STEPS {
                return None;
            }
            match statement {
                Stmt::Op(op) => self.operation(lower, op)?,
                Stmt::If { condition, then, otherwise, .. } => {
                    let taken = self.get(*condition)?.as_const()?.bits != 0;
                    match self.run(lower, if taken { then } else { otherwise })? {
                        Flow::Next => {}
                        flow => return Some(flow),
                    }
                }
                Stmt::Loop { label, body, .. } => loop {
                    self.steps += 1;
                    if self.steps > limits::CONSTANT_STEPS {
                        return None;
                    }
                    match self.run(lower, body)? {
                        Flow::Next => {}
                        Flow::Break(to) if to == *label => break,
                        flow => return Some(flow),
                    }
                },
                Stmt::Block { label, body } => match self.run(lower, body)? {
                    Flow::Next => {}
                    Flow::Break(to) if to == *label => {}
                    flow => return Some(flow),
                },
                Stmt::Break { label, .. } => return Some(Flow::Break(*label)),
                Stmt::Return { .. } => return Some(Flow::Return),
            }
        }
        Some(Flow::Next)
    }

    fn operation(&mut self, lower: &Lower<'_>, op: &crate::ir::Op) -> Option<()> {
        let args: Option<Vec<Operand>> = op.args.iter().map(|arg| self.get(*arg)).collect();
        match op.kind {
            OpKind::Fresh | OpKind::Undefined(_) => return Some(()),
            OpKind::Copy(_) => {
                self.registers.insert(op.dst[0], args?[0]);
                return Some(());
            }
            OpKind::Load { cell, .. } => {
                let args = args?;
                let (Operand::Object(object), Some(offset)) = (args[0], args[1].as_const()) else {
                    return None;
                };
                let step = i64::from(cell.size());
                let per = cell.n_registers();
                for (i, dst) in op.dst.iter().enumerate() {
                    let at = offset.as_i64() + (i / per) as i64 * step + (i % per) as i64;
                    let value = match self.memory.get(&(object, at)) {
                        Some(value) => *value,
                        None => table_cell(lower, object, at, *dst)?,
                    };
                    self.registers.insert(*dst, value);
                }
                return Some(());
            }
            OpKind::Store { cell, space: Space::Thread, .. } => {
                let args = args?;
                let (Operand::Object(object), Some(offset)) = (args[0], args[1].as_const()) else {
                    return None;
                };
                let step = i64::from(cell.size());
                let per = cell.n_registers();
                for (i, value) in args[2..].iter().enumerate() {
                    let at = offset.as_i64() + (i / per) as i64 * step + (i % per) as i64;
                    self.memory.insert((object, at), *value);
                }
                return Some(());
            }
            _ => {}
        }
        let constants: Option<Vec<Const>> = args?.iter().map(|arg| arg.as_const()).collect();
        let constants = constants?;
        // A division by zero is no constant.
        if !op.kind.is_pure() && constants.get(1).is_some_and(|c| c.bits == 0) {
            return None;
        }
        let value = fold::evaluate(op.kind, &constants)?;
        self.registers.insert(*op.dst.first()?, value.into());
        Some(())
    }
}

fn table_cell(lower: &Lower<'_>, object: ObjectId, at: i64, dst: Reg) -> Option<Operand> {
    let ObjectKind::Table(bytes) = &lower.builder.objects.get(object.0 as usize)?.kind else { return None };
    let ty = lower.type_of(dst.into());
    let start = usize::try_from(at).ok()?;
    let cell = bytes.get(start..start + ty.size() as usize)?;
    let bits = cell.iter().rev().fold(0u64, |bits, byte| bits << 8 | u64::from(*byte));
    Some(Const::new(ty, bits).into())
}

impl<'a> Lower<'a> {
    /// Runs something in a block of its own and evaluates what it emitted. `None` if that is not constant.
    pub(crate) fn try_constant(
        &mut self,
        run: impl FnOnce(&mut Self) -> Result<Value>,
    ) -> Result<Option<Value>> {
        self.begin_block();
        let value = run(self);
        let block = self.end_block();
        let mut value = value?;
        if value.is_constant() {
            return Ok(Some(value));
        }
        let mut machine = Machine::default();
        let constant = machine.run(self, &block).is_some();
        self.constant_steps += machine.steps;
        if self.constant_steps > limits::ALL_CONSTANT_STEPS {
            let message = "evaluating the constant expressions of this kernel takes too long";
            return Err(self.sink.limit(self.at, message));
        }
        if !constant {
            return Ok(None);
        }
        for part in &mut value.parts {
            match machine.get(*part) {
                Some(known) => *part = known,
                None => return Ok(None),
            }
        }
        Ok(value.is_constant().then_some(value))
    }

    /// The value of a constant expression.
    pub(crate) fn constant_value(&mut self, expr: &'a Expr) -> Result<Value> {
        match self.try_constant(|lower| lower.value(expr))? {
            Some(value) => Ok(value),
            None => Err(self.not_constant(expr)),
        }
    }

    fn not_constant(&mut self, expr: &Expr) -> crate::diagnostic::Reported {
        let mut notes = Vec::new();
        if let ExprKind::Name(path) = &expr.kind
            && let Some(name) = path.simple()
            && matches!(self.find_local(name), Some(Binding::Place(_)))
        {
            notes.push((format!("declare `{}` as `constexpr` with a constant value", self.text(name)), None));
        }
        self.sink.error_with(Kind::Type, expr.span, "expected a constant expression", notes)
    }

    /// The value of a constant expression of an integer type.
    pub(crate) fn constant_integer(&mut self, expr: &'a Expr) -> Result<i64> {
        let value = self.constant_value(expr)?;
        match (self.types.as_scalar(value.ty), value.single().as_const()) {
            (Some(scalar), Some(constant)) if scalar.is_integer() => Ok(constant.as_i64()),
            _ => {
                let message = format!("expected an integer constant, got `{}`", self.types.name(value.ty));
                Err(self.sink.error(Kind::Type, expr.span, message))
            }
        }
    }

    /// The type that a declaration says, with the size of an array taken from its values.
    pub(crate) fn declared_type(&mut self, variable: &'a Variable) -> Result<Resolved> {
        if let (TypeKind::Array(element, None), Init::Value(value)) = (&variable.ty.kind, &variable.init)
            && let ExprKind::List(list) = &value.kind
        {
            let element = self.resolve(element)?;
            let ty = self.array(element.ty, list.len() as u32, variable.span)?;
            let (is_const, space) = (variable.ty.is_const, variable.ty.space);
            return Ok(Resolved { ty, is_const, space, is_reference: false });
        }
        self.resolve(&variable.ty)
    }

    /// The value of a declaration's initialisation.
    pub(crate) fn initial_value(&mut self, variable: &'a Variable, ty: super::types::Ty) -> Result<Value> {
        match &variable.init {
            Init::Value(value) => match &value.kind {
                ExprKind::List(list) => self.construct(ty, list, true, value.span),
                _ => {
                    let given = self.value(value)?;
                    self.implicit(given, ty, value.span)
                }
            },
            Init::Arguments(args) => self.construct(ty, args, false, variable.span),
            Init::None => self.zero(ty),
        }
    }

    /// A variable at namespace scope or a `static constexpr` member: a constant.
    pub(crate) fn constant_variable(&mut self, variable: &'a Variable) -> Result<Binding<'a>> {
        let name = self.text(variable.name);
        let auto = super::resolve::is_auto(&variable.ty);
        let declared = if auto { None } else { Some(self.declared_type(variable)?) };
        let constant =
            variable.is_constexpr || variable.ty.is_const || variable.ty.space == Some(Space::Constant);
        if !constant || variable.ty.space.is_some_and(|space| space != Space::Constant) {
            let message = format!("`{name}` has to be a constant: `constant constexpr {name} = …`");
            return Err(self.sink.error(Kind::Type, variable.span, message));
        }
        if matches!(variable.init, Init::None) {
            let message = format!("the constant `{name}` has no value");
            return Err(self.sink.error(Kind::Type, variable.span, message));
        }
        if self.template_depth > limits::TEMPLATE_DEPTH {
            let message = format!("the constant `{name}` depends on itself");
            return Err(self.sink.error(Kind::Type, variable.span, message));
        }
        self.template_depth += 1;
        let value = self.try_constant(|lower| match (declared, &variable.init) {
            (Some(declared), _) => lower.initial_value(variable, declared.ty),
            (None, Init::Value(value)) => lower.value(value),
            (None, _) => Err(lower.sink.error(Kind::Type, variable.span, "`auto` needs an initial value")),
        });
        self.template_depth -= 1;
        let Some(value) = value? else {
            let message = format!("the value of `{name}` is not a constant expression");
            return Err(self.sink.error(Kind::Type, variable.span, message));
        };
        self.constant_binding(name, value, variable)
    }

    /// Scalars and vectors are values; what is indexed is a table.
    pub(crate) fn constant_binding(
        &mut self,
        name: &str,
        value: Value,
        variable: &'a Variable,
    ) -> Result<Binding<'a>> {
        if matches!(self.types.kind(value.ty), TyKind::Array(..) | TyKind::Struct(_))
            && let Some(place) = self.table(name, &value, variable.span)?
        {
            return Ok(Binding::Place(place));
        }
        Ok(Binding::Value(value))
    }

    /// Checks a `static_assert`.
    pub(crate) fn static_assert(
        &mut self,
        condition: &'a Expr,
        text: Option<&str>,
        span: crate::source::Span,
    ) -> Result<()> {
        let value = self.constant_value(condition)?;
        let holds = self.condition(value, span)?.as_const().is_some_and(|c| c.bits != 0);
        if holds {
            return Ok(());
        }
        let text = text.map_or(String::new(), |text| format!(": {text}"));
        Err(self.sink.error(Kind::Type, condition.span, format!("static assertion failed{text}")))
    }
}

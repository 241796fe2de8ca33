//! Checked mode: looks at each step before it is done.
//!
//! Values that hold nothing may be copied: only using one otherwise, or storing it where others see it, is a mistake.

use std::sync::Arc;

use holdall_msl::ir::{Atomic, Binary, BufferRole, MEM_DEVICE, MEM_THREADGROUP, ObjectKind, OpKind, Scope};
use holdall_msl::{Scalar, Space, Span};

use super::code::{Code, List, Object, RowId};
use super::finding::{Culprit, FindingKind, Findings};
use super::machine::{Machine, Place};
use super::mask::Mask;
use super::program::Program;
use super::rows::size_of_lane;
use super::shadow::{Shadow, Touch};

/// Which memory a barrier orders, as an index.
const DEVICE: usize = 0;
const THREADGROUP: usize = 1;

/// What an object is to the checker.
#[derive(Debug)]
enum Known {
    /// Nothing to know: constants.
    Fixed,
    /// Memory that threads share.
    Shared(Shadow, usize),
    /// Of each byte of threads' own memory: the lanes that wrote it.
    Own(Vec<Mask>),
}

/// Watches a launch.
#[derive(Debug)]
pub struct Watch {
    findings: Arc<Findings>,
    /// Of each row: the lanes that hold a value.
    defined: Vec<Mask>,
    objects: Vec<Known>,
    /// Barriers that the group, and each SIMD group, has passed, for each kind of memory.
    group_epochs: [u32; 2],
    simd_epochs: [[u32; Mask::WORDS]; 2],
    /// The index of the group.
    group: u32,
    /// Of each group: it did a fence; and then an atomic operation.
    fenced: bool,
    released: Vec<bool>,
    acquired: bool,
    initialised: u32,
}

/// An access of a lane.
struct Use {
    object: u32,
    lane: usize,
    at: i64,
    size: usize,
    reads: bool,
    /// What it reads has to be there.
    needs: bool,
    writes: bool,
    atomic: bool,
}

impl Watch {
    pub fn new(program: &Program, findings: Arc<Findings>, places: &[Place], initialised: u32) -> Self {
        let cells = program.kinds.iter().filter_map(|kind| match kind {
            Some(OpKind::Load { cell, .. } | OpKind::Store { cell, .. }) => Some(cell.size() as usize),
            Some(OpKind::Atomic { ty, .. }) => Some(ty.size() as usize),
            _ => None,
        });
        let granule = cells.min().unwrap_or(1);
        let device = |place: &Place, known| Known::Shared(Shadow::new(place.size, granule, known), DEVICE);
        let known = |(object, place): (&holdall_msl::ir::Object, &Place)| match &object.kind {
            ObjectKind::Buffer(i) => match program.ir.buffers[*i as usize].role {
                BufferRole::Input(_) => device(place, true),
                BufferRole::Output(i) => device(place, i >= initialised),
                _ => Known::Fixed,
            },
            ObjectKind::Threadgroup => Known::Shared(Shadow::new(place.size, granule, false), THREADGROUP),
            ObjectKind::Thread => Known::Own(vec![Mask::default(); place.size]),
            ObjectKind::Table(_) => Known::Fixed,
        };
        Self {
            findings,
            defined: vec![Mask::default(); program.slots.len()],
            objects: program.ir.objects.iter().zip(places).map(known).collect(),
            group_epochs: [0; 2],
            simd_epochs: [[0; Mask::WORDS]; 2],
            group: 0,
            fenced: false,
            released: Vec::new(),
            acquired: false,
            initialised,
        }
    }

    fn report(
        &self,
        machine: &Machine<'_>,
        kind: FindingKind,
        other: Option<Span>,
        lanes: Mask,
        message: impl FnOnce() -> String,
    ) {
        let Some(lane) = lanes.lanes().next() else { return };
        let culprit = Culprit { thread: machine.position(lane), group: machine.group };
        let span = Some(machine.program.spans[machine.pc]);
        let times = lanes.lanes().count() as u64;
        self.findings.add(&machine.program.ir, kind, span, other, Some(culprit), times, message);
    }

    /// Lanes among the active ones for which a row holds nothing.
    fn missing(&self, machine: &Machine<'_>, row: RowId) -> Mask {
        self.defined.get(row as usize).map_or(Mask::default(), |defined| machine.active.without(defined))
    }

    /// Rows are used: they have to hold something.
    fn need(&mut self, machine: &Machine<'_>, rows: &[RowId]) {
        for &row in rows {
            let missing = self.missing(machine, row);
            if missing.any() {
                self.report(machine, FindingKind::Uninitialized, None, missing, || {
                    // Without sharing, a row is a register's.
                    let register = &machine.program.ir.registers[row as usize];
                    let variable =
                        register.variable.and_then(|v| machine.program.ir.variables.get(v as usize));
                    match variable {
                        Some(variable) => format!("`{}` is used before it has a value", variable.name),
                        None => "a value is used that was never written".to_owned(),
                    }
                });
                // Once is enough.
                self.define(machine, row, machine.active);
            }
        }
    }

    /// A row holds something for these lanes, and nothing for the other active ones.
    fn define(&mut self, machine: &Machine<'_>, row: RowId, lanes: Mask) {
        if let Some(defined) = self.defined.get_mut(row as usize) {
            *defined = defined.without(&machine.active).or(&lanes.and(&machine.active));
        }
    }

    fn define_all(&mut self, machine: &Machine<'_>, dst: List) {
        for to in &machine.program.writes[dst.start as usize..][..dst.len as usize] {
            self.define(machine, to.row, machine.active);
        }
    }

    /// Notes an access; whether it is within its object and what it reads was written.
    fn access(&mut self, machine: &Machine<'_>, access: &Use) -> bool {
        let one = || {
            let mut mask = Mask::default();
            mask.0[access.lane / 32] = 1 << (access.lane % 32);
            mask
        };
        let place = machine.place_of(access.object);
        let object = machine.program.ir.objects.get(access.object as usize);
        let name = || object.map_or("a null pointer".to_owned(), |object| format!("`{}`", object.name));
        let verb = if access.writes && !access.reads { "write" } else { "read" };
        if access.at < 0 || (access.at as u64).saturating_add(access.size as u64) > place.size as u64 {
            self.report(machine, FindingKind::OutOfBounds, None, one(), || {
                let Some(object) = object else { return format!("{verb} through a null pointer") };
                let unit = if object.size as usize == access.size { access.size } else { 1 }.max(1);
                format!(
                    "{verb} of {} bytes at byte {} of {}, which has {} bytes ({} elements of {unit})",
                    access.size,
                    access.at,
                    name(),
                    place.size,
                    place.size / unit
                )
            });
            return true;
        }
        let at = access.at as usize;
        let group = self.group;
        let Some(known) = self.objects.get_mut(access.object as usize) else { return true };
        match known {
            Known::Fixed => true,
            Known::Own(bytes) => {
                let bytes = &mut bytes[at..at + access.size];
                if access.writes {
                    for byte in bytes.iter_mut() {
                        *byte = byte.or(&one());
                    }
                }
                bytes.iter().all(|byte| byte.has(access.lane))
            }
            Known::Shared(shadow, space) => {
                let space = *space;
                let now = Touch {
                    group,
                    lane: access.lane as u32,
                    group_epoch: self.group_epochs[space],
                    simd_epoch: self.simd_epochs[space][access.lane / 32],
                    atomic: access.atomic,
                    span: machine.program.spans[machine.pc],
                };
                let (released, acquired) = (&self.released, self.acquired);
                let ordered = |before: &Touch| {
                    if before.group != now.group {
                        return acquired
                            && released.get(before.group as usize).is_some_and(|released| *released);
                    }
                    if before.lane / 32 == now.lane / 32 {
                        return before.simd_epoch < now.simd_epoch;
                    }
                    before.group_epoch < now.group_epoch
                };
                let missing = access.needs && !shadow.is_written(at, access.size);
                let other = shadow.touch(at, access.size, now, access.writes, ordered);
                if missing {
                    self.report(machine, FindingKind::Uninitialized, None, one(), || {
                        format!("byte {at} of {} is read before it is written", name())
                    });
                }
                if let Some(other) = other {
                    self.report(machine, FindingKind::DataRace, Some(other.span), one(), || {
                        let what = if other.group == now.group {
                            "another thread of the group"
                        } else {
                            "another group"
                        };
                        format!("{verb} of {} at byte {at} races with an access of {what}", name())
                    });
                }
                true
            }
        }
    }

    /// The accesses of a step, with what alignment they need.
    fn accesses(
        &mut self,
        machine: &Machine<'_>,
        object: Object,
        offset: RowId,
        align: i64,
        mut cells: impl FnMut(&mut Self, usize, u32, i64),
    ) {
        self.need(machine, &[offset]);
        if let Object::In(row) = object {
            self.need(machine, &[row]);
        }
        for lane in machine.active.lanes() {
            let id = machine.object_of(object, lane);
            // SAFETY: offsets are `i64`.
            let at: i64 = unsafe { machine.lane(offset, lane) };
            if align > 1 && at % align != 0 {
                let mut one = Mask::default();
                one.0[lane / 32] = 1 << (lane % 32);
                self.report(machine, FindingKind::Misaligned, None, one, || {
                    format!("an access at byte {at}, which has to be a multiple of {align}")
                });
            }
            cells(self, lane, id, at);
        }
    }

    fn barrier(&mut self, machine: &Machine<'_>, scope: Scope, flags: u32) {
        let alive = machine.alive;
        let expected = match scope {
            Scope::Threadgroup => alive,
            // SIMD groups without a lane here wait for nothing.
            Scope::Simdgroup => {
                Mask(std::array::from_fn(|i| if machine.active.0[i] != 0 { alive.0[i] } else { 0 }))
            }
        };
        let absent = expected.without(&machine.active);
        if absent.any() {
            self.report(machine, FindingKind::DivergentBarrier, None, machine.active, || {
                let (here, all) = (machine.active.lanes().count(), expected.lanes().count());
                format!("{here} of {all} threads that have not returned come to this barrier")
            });
        }
        for (space, flag) in [(DEVICE, MEM_DEVICE), (THREADGROUP, MEM_THREADGROUP)] {
            if flags & flag == 0 {
                continue;
            }
            if scope == Scope::Threadgroup {
                self.group_epochs[space] += 1;
            }
            for (epoch, word) in self.simd_epochs[space].iter_mut().zip(machine.active.0) {
                *epoch += u32::from(word != 0 || scope == Scope::Threadgroup);
            }
            self.fenced |= space == DEVICE && scope == Scope::Threadgroup;
        }
    }

    fn inspect(&mut self, machine: &Machine<'_>, step: &Code) {
        let program = machine.program;
        let kind = program.kinds[machine.pc];
        let list = |list: List| &program.lists[list.start as usize..][..list.len as usize];
        match *step {
            Code::Row { dst, ref args, n_args, .. } => {
                self.pure(machine, kind, dst.row, &args[..usize::from(n_args)]);
            }
            Code::Evaluate { dst, args, .. } => self.pure(machine, kind, dst.row, list(args)),
            Code::Attribute { dst, .. } => self.define(machine, dst.row, machine.active),
            Code::Load { object, offset, cell, dst, is_read, .. } => {
                let align = match kind {
                    Some(OpKind::Load { align, .. }) => i64::from(align),
                    _ => 1,
                };
                let size = cell.size() as usize;
                let dst = &program.writes[dst.start as usize..][..dst.len as usize];
                let n = dst.len() / cell.n_registers();
                let mut held = vec![Mask::default(); n];
                self.accesses(machine, object, offset, align, |watch, lane, object, at| {
                    for (i, held) in held.iter_mut().enumerate() {
                        let at = at.wrapping_add((i * size) as i64);
                        // What was never written may be fetched as part of something, if nobody looks at it.
                        let access = Use {
                            object,
                            lane,
                            at,
                            size,
                            reads: true,
                            needs: is_read,
                            writes: false,
                            atomic: false,
                        };
                        held.0[lane / 32] |= u32::from(watch.access(machine, &access)) << (lane % 32);
                    }
                });
                for (i, to) in dst.iter().enumerate() {
                    self.define(machine, to.row, held[i / cell.n_registers()]);
                }
            }
            Code::Store { object, offset, cell, values, .. } => {
                let (align, space) = match kind {
                    Some(OpKind::Store { align, space, .. }) => (i64::from(align), space),
                    _ => (1, Space::Device),
                };
                let size = cell.size() as usize;
                let values = list(values);
                let own = space == Space::Thread;
                if !own {
                    self.need(machine, values);
                }
                let missing: Vec<Mask> = values.iter().map(|row| self.missing(machine, *row)).collect();
                self.accesses(machine, object, offset, align, |watch, lane, object, at| {
                    for i in 0..values.len() / cell.n_registers() {
                        let at = at.wrapping_add((i * size) as i64);
                        let access = Use {
                            object,
                            lane,
                            at,
                            size,
                            reads: false,
                            needs: false,
                            writes: true,
                            atomic: false,
                        };
                        watch.access(machine, &access);
                        if missing[i * cell.n_registers()].has(lane) {
                            watch.forget(object, lane, at, size);
                        }
                    }
                });
            }
            Code::Atomic { op, ty, object, offset, operands, dst } => {
                let size = ty.size() as usize;
                self.need(machine, list(operands));
                self.accesses(machine, object, offset, size as i64, |watch, lane, object, at| {
                    let (reads, writes) = (op != Atomic::Store, op != Atomic::Load);
                    let access = Use { object, lane, at, size, reads, needs: reads, writes, atomic: true };
                    watch.access(machine, &access);
                });
                self.acquired = true;
                let group = self.group as usize;
                self.released[group] |= self.fenced;
                self.define_all(machine, dst);
            }
            Code::Simd { dst, args, .. } => {
                self.need(machine, list(args));
                self.define(machine, dst.row, machine.active);
            }
            Code::Matrix { args, dst, .. } => {
                self.need(machine, list(args));
                self.define_all(machine, dst);
            }
            Code::Barrier { scope, flags } => self.barrier(machine, scope, flags),
            Code::Fence { flags } => self.fenced |= flags & MEM_DEVICE != 0 || flags == 0,
            Code::Fresh { object } => {
                for lane in machine.active.lanes() {
                    let id = machine.object_of(object, lane);
                    self.forget(id, lane, 0, machine.place_of(id).size);
                }
            }
            Code::Undefined { row } => self.define(machine, row, Mask::default()),
            Code::If { condition, .. } | Code::JumpUnless { condition, .. } => {
                self.need(machine, &[condition]);
            }
            _ => {}
        }
    }

    /// Bytes of a lane's own memory hold nothing.
    fn forget(&mut self, object: u32, lane: usize, at: i64, size: usize) {
        let Some(Known::Own(bytes)) = self.objects.get_mut(object as usize) else { return };
        let start = (at.max(0) as usize).min(bytes.len());
        let end = start.saturating_add(size).min(bytes.len());
        for byte in &mut bytes[start..end] {
            byte.0[lane / 32] &= !(1 << (lane % 32));
        }
    }

    fn pure(&mut self, machine: &Machine<'_>, kind: Option<OpKind>, dst: RowId, args: &[RowId]) {
        match kind {
            Some(OpKind::Copy(_)) => {
                let held = machine.active.without(&self.missing(machine, args[0]));
                return self.define(machine, dst, held);
            }
            Some(OpKind::Select(_)) => {
                self.need(machine, &args[..1]);
                let taken = machine.where_true(args[0]);
                let (yes, no) = (self.missing(machine, args[1]), self.missing(machine, args[2]));
                let missing = yes.and(&taken).or(&no.without(&taken));
                return self.define(machine, dst, machine.active.without(&missing));
            }
            Some(OpKind::Binary(Binary::Divide | Binary::Remainder, ty))
                if !ty.is_float() && ty != Scalar::Object =>
            {
                let mut zero = Mask::default();
                for lane in machine.active.lanes() {
                    if machine.bits(args[1], lane, size_of_lane(ty)) == 0 {
                        zero.0[lane / 32] |= 1 << (lane % 32);
                    }
                }
                self.report(machine, FindingKind::DivisionByZero, None, zero, || {
                    "an integer is divided by zero; the result is 0 here and anything elsewhere".to_owned()
                });
            }
            _ => {}
        }
        self.need(machine, args);
        self.define(machine, dst, machine.active);
    }

    /// A group begins: nothing holds anything.
    fn begin(&mut self, group: u32) {
        self.group = group;
        (self.fenced, self.acquired) = (false, false);
        self.released.push(false);
        self.defined.fill(Mask::default());
        for object in &mut self.objects {
            match object {
                Known::Shared(shadow, THREADGROUP) => shadow.clear(),
                Known::Own(bytes) => bytes.fill(Mask::default()),
                _ => {}
            }
        }
    }

    fn end(&self, program: &Program) {
        let buffers = program.ir.buffers.iter().zip(&self.objects);
        let asked = |role: BufferRole| matches!(role, BufferRole::Output(i) if i < self.initialised);
        for (buffer, object) in buffers.filter(|(b, _)| asked(b.role)) {
            if let Known::Shared(shadow, _) = object
                && let Some((first, bytes)) = shadow.unwritten()
            {
                let size = buffer.element.size() as usize;
                let count = bytes.div_ceil(size);
                let message = format!(
                    "{count} elements of `{}` are never written, the first is {}",
                    buffer.name,
                    first / size
                );
                self.findings.add_unplaced(FindingKind::UnwrittenOutput, message, count as u64);
            }
        }
    }
}

impl Machine<'_> {
    /// Looks at the step that comes next.
    pub fn inspect(&mut self, step: &Code) {
        if let Some(mut watch) = self.watch.take() {
            watch.inspect(self, step);
            self.watch = Some(watch);
        }
    }

    /// A group begins, the `index`th.
    pub fn watch_begin(&mut self, index: u64) {
        if let Some(watch) = &mut self.watch {
            watch.begin(index as u32);
        }
    }

    /// All groups have ended.
    pub fn watch_end(&mut self) {
        if let Some(watch) = &self.watch {
            watch.end(self.program);
        }
    }
}

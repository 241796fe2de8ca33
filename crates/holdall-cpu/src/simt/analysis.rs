//! What the compiler wants to know about registers: which are uniform, which may be written without a mask, which can
//! share a row.
//!
//! The *home* of a register is the innermost statement list around all its uses. A register is *fresh* if each pass
//! through its home starts by writing it there (or if its home is the kernel itself). A write is *straight* if, between home and
//! write, lanes cannot have parted ways: no `if` with a varying condition, no block or loop that some lanes may have
//! left. Lanes that left the home or the kernel do not count; they do not come back to this pass.
//!
//! * **Local:** fresh, and all writes are straight. Lanes that are not active in a write have left the home, so what the
//!   write does to them is never seen.
//! * **Uniform:** local, and what is written is the same for all lanes.
//!
//! Which conditions vary depends on which registers do: the analysis starts with all uniform and repeats until nothing changes.

use holdall_msl::ir::{Attribute, Block, Op, OpKind, Operand, Program, Reg, Stmt};
use holdall_msl::{Scalar, Space};

use super::rows::size_of_lane;

/// A row of registers whose lives do not overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Bytes of a lane.
    pub size: usize,
    /// One block for the whole group.
    pub uniform: bool,
}

/// The result.
#[derive(Debug)]
pub struct Analysis {
    /// Of each register.
    pub local: Vec<bool>,
    /// Of each register.
    pub uniform: Vec<bool>,
    /// The slot of each register.
    pub slot_of: Vec<u32>,
    /// The slots.
    pub slots: Vec<Slot>,
    /// Some loop may wait for lanes that are elsewhere.
    pub splits: bool,
}

/// A statement list.
#[derive(Clone, Copy, Debug)]
struct List {
    parent: u32,
    depth: u32,
    /// First and last position, of the body of a loop.
    repeats: Option<(u32, u32)>,
}

#[derive(Clone, Copy, Debug)]
struct Life {
    home: u32,
    fresh: bool,
    first_is_write: bool,
    first_list: u32,
    start: u32,
    end: u32,
    seen: bool,
}

/// Where registers occur.
struct Survey {
    lists: Vec<List>,
    lives: Vec<Life>,
    /// Register, list, position of each occurrence.
    uses: Vec<(u32, u32, u32)>,
    at: u32,
}

impl Survey {
    fn touch(&mut self, reg: Reg, list: u32, is_write: bool) {
        let at = self.at;
        self.uses.push((reg.0, list, at));
        let life = &mut self.lives[reg.0 as usize];
        if !life.seen {
            *life = Life {
                home: list,
                fresh: false,
                first_is_write: is_write,
                first_list: list,
                start: at,
                end: at,
                seen: true,
            };
            return;
        }
        life.end = at;
        let (mut a, mut b) = (life.home, list);
        while a != b {
            let (x, y) = (self.lists[a as usize], self.lists[b as usize]);
            if x.depth >= y.depth { a = x.parent } else { b = y.parent }
        }
        life.home = a;
    }

    fn operand(&mut self, operand: Operand, list: u32) {
        if let Operand::Reg(reg) = operand {
            self.touch(reg, list, false);
        }
    }

    fn list(&mut self, block: &Block, parent: u32, repeats: bool) {
        let id = self.lists.len() as u32;
        let depth = self.lists.get(parent as usize).map_or(0, |list| list.depth + 1);
        self.lists.push(List { parent, depth, repeats: None });
        let start = self.at;
        for statement in block {
            self.at += 1;
            match statement {
                Stmt::Op(op) => {
                    op.args.iter().for_each(|arg| self.operand(*arg, id));
                    op.dst.iter().for_each(|dst| self.touch(*dst, id, true));
                }
                Stmt::If { condition, then, otherwise, .. } => {
                    self.operand(*condition, id);
                    self.list(then, id, false);
                    self.list(otherwise, id, false);
                }
                Stmt::Loop { body, .. } => self.list(body, id, true),
                Stmt::Block { body, .. } => self.list(body, id, false),
                Stmt::Break { .. } | Stmt::Return { .. } => {}
            }
        }
        self.at += 1;
        if repeats {
            self.lists[id as usize].repeats = Some((start, self.at));
        }
    }

    /// A life reaches over every loop inside of its home in which it occurs; over those outside, too, when not fresh.
    fn finish(&mut self) {
        for life in self.lives.iter_mut().filter(|life| life.seen) {
            life.fresh = life.home == 0 || (life.first_is_write && life.first_list == life.home);
        }
        for &(reg, list, _) in &self.uses {
            let life = &mut self.lives[reg as usize];
            let mut at = list;
            while at != 0 && (at != life.home || !life.fresh) {
                if let Some((start, end)) = self.lists[at as usize].repeats {
                    life.start = life.start.min(start);
                    life.end = life.end.max(end);
                }
                at = self.lists[at as usize].parent;
            }
        }
    }
}

/// One round of the search for what varies.
struct Round<'a> {
    program: &'a Program,
    survey: &'a Survey,
    local: Vec<bool>,
    uniform: Vec<bool>,
    /// Lanes may leave the block or loop of the label at different times.
    parts: Vec<bool>,
    changed: bool,
    /// For each list around the current statement: its label, and whether lanes may have parted in it.
    around: Vec<(Option<u32>, bool)>,
}

impl Round<'_> {
    fn is_uniform(&self, operand: Operand) -> bool {
        match operand {
            Operand::Reg(reg) => self.uniform[reg.0 as usize],
            _ => true,
        }
    }

    fn lower(changed: &mut bool, flag: &mut bool) {
        *changed |= *flag;
        *flag = false;
    }

    fn op(&mut self, op: &Op) {
        let same = gives_uniform(op) && op.args.iter().all(|arg| self.is_uniform(*arg));
        for dst in &op.dst {
            let reg = dst.0 as usize;
            let life = self.survey.lives[reg];
            let home = self.survey.lists[life.home as usize].depth as usize;
            let straight = life.fresh && !self.around[home + 1..].iter().any(|(_, parted)| *parted);
            if !straight {
                Self::lower(&mut self.changed, &mut self.local[reg]);
            }
            if !straight || !same {
                Self::lower(&mut self.changed, &mut self.uniform[reg]);
            }
        }
    }

    fn inside(&mut self, block: &Block, label: Option<u32>, parted: bool) {
        self.around.push((label, parted));
        self.list(block);
        self.around.pop();
    }

    fn list(&mut self, block: &Block) {
        for statement in block {
            match statement {
                Stmt::Op(op) => self.op(op),
                Stmt::If { condition, then, otherwise, .. } => {
                    let varies = !self.is_uniform(*condition);
                    self.inside(then, None, varies);
                    self.inside(otherwise, None, varies);
                }
                // What happens late in a loop has happened before its next start.
                Stmt::Loop { label, body, .. } => {
                    self.inside(body, Some(label.0), self.parts[label.0 as usize]);
                }
                Stmt::Block { label, body } => self.inside(body, Some(label.0), false),
                Stmt::Break { label, .. } => {
                    let of = self.around.iter().rposition(|(l, _)| *l == Some(label.0)).unwrap_or(0);
                    if self.around[of + 1..].iter().any(|(_, parted)| *parted) || self.around[of].1 {
                        self.around[of].1 = true;
                        let parts = &mut self.parts[label.0 as usize];
                        self.changed |= !*parts;
                        *parts = true;
                    }
                }
                Stmt::Return { .. } => {}
            }
        }
    }
}

/// The operation gives all lanes the same if its arguments are the same.
fn gives_uniform(op: &Op) -> bool {
    match op.kind {
        OpKind::Attribute(attribute, _) => !varies(attribute),
        OpKind::Load { space, .. } => space != Space::Thread && matches!(op.args[0], Operand::Object(_)),
        OpKind::Binary(..) | OpKind::Undefined(_) => true,
        kind => kind.is_pure(),
    }
}

/// The attribute differs between threads of a group.
pub fn varies(attribute: Attribute) -> bool {
    matches!(
        attribute,
        Attribute::ThreadPositionInGrid
            | Attribute::ThreadPositionInThreadgroup
            | Attribute::ThreadIndexInThreadgroup
            | Attribute::ThreadIndexInSimdgroup
            | Attribute::ThreadIndexInQuadgroup
            | Attribute::SimdgroupIndexInThreadgroup
            | Attribute::QuadgroupIndexInThreadgroup
    )
}

/// Calls `f` with each operation of a block.
fn for_each_op<'a>(block: &'a Block, f: &mut impl FnMut(&'a Op)) {
    for statement in block {
        match statement {
            Stmt::Op(op) => f(op),
            Stmt::If { then, otherwise, .. } => {
                for_each_op(then, f);
                for_each_op(otherwise, f);
            }
            Stmt::Loop { body, .. } | Stmt::Block { body, .. } => for_each_op(body, f),
            Stmt::Break { .. } | Stmt::Return { .. } => {}
        }
    }
}

/// The block may wait: it contains an atomic operation whose result some operation reads.
pub fn may_wait(block: &Block, is_read: &[bool]) -> bool {
    let mut found = false;
    for_each_op(block, &mut |op| {
        found |= matches!(op.kind, OpKind::Atomic { .. }) && op.dst.iter().any(|d| is_read[d.0 as usize]);
    });
    found
}

/// There are functions of `half` or `bfloat`.
pub fn has_short_math(program: &Program) -> bool {
    let mut found = false;
    for_each_op(&program.body, &mut |op| {
        found |= matches!(op.kind, OpKind::Math(_, _, Scalar::F16 | Scalar::BF16));
    });
    found
}

/// Which registers are read anywhere.
pub fn reads(program: &Program) -> Vec<bool> {
    fn conditions(block: &Block, is_read: &mut [bool]) {
        for statement in block {
            match statement {
                Stmt::If { condition, then, otherwise, .. } => {
                    if let Operand::Reg(reg) = condition {
                        is_read[reg.0 as usize] = true;
                    }
                    conditions(then, is_read);
                    conditions(otherwise, is_read);
                }
                Stmt::Loop { body, .. } | Stmt::Block { body, .. } => conditions(body, is_read),
                _ => {}
            }
        }
    }
    let mut is_read = vec![false; program.registers.len()];
    for_each_op(&program.body, &mut |op| {
        for arg in &op.args {
            if let Operand::Reg(reg) = arg {
                is_read[reg.0 as usize] = true;
            }
        }
    });
    conditions(&program.body, &mut is_read);
    is_read
}

/// Analyses a program. With `plain`, nothing is uniform or local and no rows are shared, which checked mode needs.
pub fn analyse(program: &Program, plain: bool) -> Analysis {
    let n = program.registers.len();
    let none =
        Life { home: 0, fresh: true, first_is_write: true, first_list: 0, start: 0, end: 0, seen: false };
    let mut survey = Survey { lists: Vec::new(), lives: vec![none; n], uses: Vec::new(), at: 0 };
    survey.list(&program.body, 0, false);
    survey.finish();

    let is_read = reads(program);
    let mut splits = false;
    let mut loops = vec![&program.body];
    while let Some(block) = loops.pop() {
        for statement in block {
            match statement {
                Stmt::Loop { body, .. } => {
                    splits |= may_wait(body, &is_read);
                    loops.push(body);
                }
                Stmt::Block { body, .. } => loops.push(body),
                Stmt::If { then, otherwise, .. } => loops.extend([then, otherwise]),
                _ => {}
            }
        }
    }

    let start = !(splits || plain);
    let mut round = Round {
        program,
        survey: &survey,
        local: vec![start; n],
        uniform: vec![start; n],
        parts: vec![false; program.n_labels as usize],
        changed: start,
        around: vec![(None, false)],
    };
    while std::mem::take(&mut round.changed) {
        round.list(&round.program.body);
    }
    let Round { local, uniform, .. } = round;
    let (slot_of, slots) = share(program, &survey.lives, &uniform, plain);
    Analysis { local, uniform, slot_of, slots, splits }
}

/// Gives registers slots, in the order in which their lives begin.
fn share(program: &Program, lives: &[Life], uniform: &[bool], plain: bool) -> (Vec<u32>, Vec<Slot>) {
    let mut order: Vec<usize> = (0..lives.len()).collect();
    order.sort_by_key(|reg| lives[*reg].start);
    let mut slot_of = vec![0; lives.len()];
    let mut slots: Vec<Slot> = Vec::new();
    let mut ends: Vec<u32> = Vec::new();
    for reg in order {
        let ty: Scalar = program.registers[reg].ty;
        let wanted = Slot { size: size_of_lane(ty), uniform: uniform[reg] };
        // An operation's destination gets no row of its operands: lives that touch overlap.
        let free = |slot: usize| !plain && slots[slot] == wanted && ends[slot] < lives[reg].start;
        let slot = (0..slots.len()).find(|slot| free(*slot)).unwrap_or_else(|| {
            slots.push(wanted);
            ends.push(0);
            slots.len() - 1
        });
        ends[slot] = lives[reg].end;
        slot_of[reg] = slot as u32;
    }
    (slot_of, slots)
}

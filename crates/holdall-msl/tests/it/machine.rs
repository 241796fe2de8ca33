//! A slow interpreter of the representation, for tests: all threads of a group in lockstep, each operation by
//! `fold::evaluate`. Reading what was never written is a failure.

use holdall_msl::ir::{
    Atomic, Attribute, Binary, Block, Cell, Compare, Const, Label, NULL, ObjectId, ObjectKind, Op, OpKind,
    Operand, Program, Simd, Stmt, fold,
};
use holdall_msl::{Scalar, Space};

#[derive(Clone, Copy, PartialEq)]
enum State {
    Runs,
    Left(Label),
    Done,
}

#[derive(Clone, Copy)]
enum Cellular {
    Bits(Const),
    Object(ObjectId),
}

struct Group<'a> {
    program: &'a Program,
    buffers: &'a mut [Vec<u8>],
    registers: Vec<Vec<Option<Cellular>>>,
    shared: Vec<Vec<u8>>,
    private: Vec<Vec<Vec<Option<u8>>>>,
    state: Vec<State>,
    n: usize,
    group: [u32; 3],
    size: [u32; 3],
    grid: [u32; 3],
    nominal: [u32; 3],
    steps: usize,
}

/// Runs a kernel over a grid of threads.
pub fn run(program: &Program, grid: [u32; 3], group: [u32; 3], buffers: &mut [Vec<u8>]) {
    let groups: [u32; 3] = std::array::from_fn(|i| grid[i].div_ceil(group[i]));
    for z in 0..groups[2] {
        for y in 0..groups[1] {
            for x in 0..groups[0] {
                let at = [x, y, z];
                let size: [u32; 3] = std::array::from_fn(|i| group[i].min(grid[i] - at[i] * group[i]));
                let n = size.iter().product::<u32>() as usize;
                let bytes = |object: &holdall_msl::ir::Object| vec![0xa5; object.size as usize];
                let private = |object: &holdall_msl::ir::Object| match object.kind {
                    ObjectKind::Thread => vec![None; object.size as usize],
                    _ => Vec::new(),
                };
                let mut state = Group {
                    program,
                    buffers,
                    registers: vec![vec![None; n]; program.registers.len()],
                    shared: program.objects.iter().map(bytes).collect(),
                    private: (0..n).map(|_| program.objects.iter().map(private).collect()).collect(),
                    state: vec![State::Runs; n],
                    n,
                    group: at,
                    size,
                    grid,
                    nominal: group,
                    steps: 0,
                };
                state.block(&program.body, &vec![true; n]);
            }
        }
    }
}

impl Group<'_> {
    fn block(&mut self, block: &Block, mask: &[bool]) {
        for statement in block {
            let active: Vec<bool> = (0..self.n).map(|t| mask[t] && self.state[t] == State::Runs).collect();
            if !active.contains(&true) {
                return;
            }
            self.steps += 1;
            assert!(self.steps < 5_000_000, "the kernel does not end");
            match statement {
                Stmt::Op(op) => self.op(op, &active),
                Stmt::If { condition, then, otherwise, .. } => {
                    let truth: Vec<bool> =
                        (0..self.n).map(|t| active[t] && self.bits(*condition, t).bits != 0).collect();
                    let rest: Vec<bool> = (0..self.n).map(|t| active[t] && !truth[t]).collect();
                    self.block(then, &truth);
                    self.block(otherwise, &rest);
                }
                Stmt::Loop { label, body, .. } => {
                    let mut inside = active.clone();
                    while inside.contains(&true) {
                        self.block(body, &inside);
                        for (t, inside) in inside.iter_mut().enumerate() {
                            *inside &= self.state[t] == State::Runs;
                        }
                    }
                    self.arrive(*label);
                }
                Stmt::Block { label, body } => {
                    self.block(body, &active);
                    self.arrive(*label);
                }
                Stmt::Break { label, .. } => self.leave(&active, State::Left(*label)),
                Stmt::Return { .. } => self.leave(&active, State::Done),
            }
        }
    }

    fn arrive(&mut self, label: Label) {
        for state in self.state.iter_mut().filter(|state| **state == State::Left(label)) {
            *state = State::Runs;
        }
    }

    fn leave(&mut self, active: &[bool], to: State) {
        for (state, _) in self.state.iter_mut().zip(active).filter(|(_, active)| **active) {
            *state = to;
        }
    }

    fn value(&self, operand: Operand, t: usize) -> Cellular {
        match operand {
            Operand::Const(constant) => Cellular::Bits(constant),
            Operand::Object(id) => Cellular::Object(id),
            Operand::Reg(reg) => {
                let value = self.registers[reg.0 as usize][t];
                value.unwrap_or_else(|| {
                    panic!("register {} is read before it is written\n{}", reg.0, self.program)
                })
            }
        }
    }

    fn bits(&self, operand: Operand, t: usize) -> Const {
        match self.value(operand, t) {
            Cellular::Bits(constant) => constant,
            Cellular::Object(_) => panic!("an object is no number"),
        }
    }

    fn set(&mut self, op: &Op, i: usize, t: usize, value: Const) {
        let reg = op.dst[i].0 as usize;
        assert_eq!(self.program.registers[reg].ty, value.ty, "{op:?}");
        self.registers[reg][t] = Some(Cellular::Bits(value));
    }

    fn bytes(&mut self, id: ObjectId, t: usize, offset: i64, n: usize) -> Vec<u8> {
        let object = self.program.object(id).expect("a null pointer is read");
        let at = usize::try_from(offset).expect("an offset is negative");
        let memory = match &object.kind {
            ObjectKind::Buffer(i) => &self.buffers[*i as usize],
            ObjectKind::Threadgroup => &self.shared[id.0 as usize],
            ObjectKind::Table(bytes) => bytes,
            ObjectKind::Thread => {
                let cell = self.private[t][id.0 as usize].get(at..at + n).expect("out of bounds");
                return cell.iter().map(|byte| byte.expect("memory is read before it is written")).collect();
            }
        };
        memory.get(at..at + n).unwrap_or_else(|| panic!("{}[{at}] is out of bounds", object.name)).to_vec()
    }

    fn write(&mut self, id: ObjectId, t: usize, offset: i64, data: &[u8]) {
        let object = self.program.object(id).expect("a null pointer is written");
        let at = usize::try_from(offset).expect("an offset is negative");
        let memory = match &object.kind {
            ObjectKind::Buffer(i) => &mut self.buffers[*i as usize],
            ObjectKind::Threadgroup => &mut self.shared[id.0 as usize],
            ObjectKind::Table(_) => panic!("a table is written"),
            ObjectKind::Thread => {
                let cell =
                    self.private[t][id.0 as usize].get_mut(at..at + data.len()).expect("out of bounds");
                cell.iter_mut().zip(data).for_each(|(to, from)| *to = Some(*from));
                return;
            }
        };
        let name = &object.name;
        let cell = memory.get_mut(at..at + data.len());
        cell.unwrap_or_else(|| panic!("{name}[{at}] is out of bounds")).copy_from_slice(data);
    }

    fn address(&self, op: &Op, t: usize) -> (ObjectId, i64) {
        let Cellular::Object(id) = self.value(op.args[0], t) else { panic!("no object") };
        (id, self.bits(op.args[1], t).as_i64())
    }

    fn op(&mut self, op: &Op, active: &[bool]) {
        if let OpKind::Simd(simd, ty) = op.kind {
            return self.simd(op, simd, ty, active);
        }
        if let OpKind::MatrixMultiply { sum, .. } = op.kind {
            return self.matrix(op, sum, active);
        }
        for t in (0..self.n).filter(|t| active[*t]) {
            self.op_of(op, t);
        }
    }

    fn op_of(&mut self, op: &Op, t: usize) {
        match op.kind {
            OpKind::Copy(_) => self.registers[op.dst[0].0 as usize][t] = Some(self.value(op.args[0], t)),
            OpKind::Select(Scalar::Object) => {
                let taken = if self.bits(op.args[0], t).bits != 0 { op.args[1] } else { op.args[2] };
                self.registers[op.dst[0].0 as usize][t] = Some(self.value(taken, t));
            }
            OpKind::Compare(compare, Scalar::Object) => {
                let (Cellular::Object(a), Cellular::Object(b)) =
                    (self.value(op.args[0], t), self.value(op.args[1], t))
                else {
                    panic!("no objects")
                };
                let truth = (a == b) == (compare == Compare::Eq);
                self.set(op, 0, t, Const::new(Scalar::Bool, u64::from(truth)));
            }
            OpKind::Attribute(attribute, component) => {
                let value = self.attribute(attribute, usize::from(component), t);
                self.set(op, 0, t, Const::new(Scalar::U32, value.into()));
            }
            OpKind::Load { cell, align, .. } => {
                let (id, offset) = self.address(op, t);
                assert_eq!(offset % i64::from(align), 0, "misaligned: {op:?}");
                let size = cell.size() as usize;
                for i in 0..op.dst.len() / cell.n_registers() {
                    let data = self.bytes(id, t, offset + (i * size) as i64, size);
                    let bits = data.iter().rev().fold(0u64, |bits, byte| bits << 8 | u64::from(*byte));
                    match cell {
                        Cell::Scalar(ty) => self.set(op, i, t, Const::new(ty, bits)),
                        Cell::Pointer => {
                            let object = (bits >> 40) as u32;
                            let id = if object == 0xff_ffff { NULL } else { ObjectId(object) };
                            self.registers[op.dst[2 * i].0 as usize][t] = Some(Cellular::Object(id));
                            let offset = ((bits << 24) as i64) >> 24;
                            self.set(op, 2 * i + 1, t, Const::new(Scalar::I64, offset as u64));
                        }
                    }
                }
            }
            OpKind::Store { cell, align, space } => {
                let (id, offset) = self.address(op, t);
                assert_eq!(offset % i64::from(align), 0, "misaligned: {op:?}");
                assert_ne!(space, Space::Constant);
                let size = cell.size() as usize;
                for i in 0..(op.args.len() - 2) / cell.n_registers() {
                    let bits = match cell {
                        Cell::Scalar(ty) => {
                            let value = self.bits(op.args[2 + i], t);
                            assert_eq!(value.ty, ty);
                            value.bits
                        }
                        Cell::Pointer => {
                            let Cellular::Object(object) = self.value(op.args[2 + 2 * i], t) else {
                                panic!()
                            };
                            let offset = self.bits(op.args[3 + 2 * i], t).bits;
                            (u64::from(object.0 & 0xff_ffff) << 40) | (offset & ((1 << 40) - 1))
                        }
                    };
                    self.write(id, t, offset + (i * size) as i64, &bits.to_le_bytes()[..size]);
                }
            }
            OpKind::Fresh => {
                let Cellular::Object(id) = self.value(op.args[0], t) else { panic!("no object") };
                self.private[t][id.0 as usize].fill(None);
            }
            OpKind::Undefined(_) => self.registers[op.dst[0].0 as usize][t] = None,
            OpKind::Atomic { op: atomic, ty, .. } => self.atomic(op, atomic, ty, t),
            OpKind::Barrier { .. } | OpKind::Fence { .. } => {}
            kind => {
                let args: Vec<Const> = op.args.iter().map(|arg| self.bits(*arg, t)).collect();
                if let OpKind::Binary(Binary::Divide | Binary::Remainder, ty) = kind
                    && !ty.is_float()
                {
                    assert_ne!(args[1].bits, 0, "division by zero");
                }
                let value = fold::evaluate(kind, &args).unwrap_or_else(|| panic!("{op:?} is not pure"));
                self.set(op, 0, t, value);
            }
        }
    }

    fn atomic(&mut self, op: &Op, atomic: Atomic, ty: Scalar, t: usize) {
        let (id, offset) = self.address(op, t);
        let size = ty.size() as usize;
        let data = self.bytes(id, t, offset, size);
        let old = Const::new(ty, data.iter().rev().fold(0u64, |bits, byte| bits << 8 | u64::from(*byte)));
        let operands: Vec<Const> = op.args[2..].iter().map(|arg| self.bits(*arg, t)).collect();
        let binary = |binary| fold::evaluate(OpKind::Binary(binary, ty), &[old, operands[0]]);
        let new = match atomic {
            Atomic::Load => None,
            Atomic::Store | Atomic::Exchange => Some(operands[0]),
            Atomic::CompareExchange => (old == operands[0]).then(|| operands[1]),
            Atomic::Add => binary(Binary::Add),
            Atomic::Subtract => binary(Binary::Subtract),
            Atomic::Min => binary(Binary::Min),
            Atomic::Max => binary(Binary::Max),
            Atomic::And => binary(Binary::And),
            Atomic::Or => binary(Binary::Or),
            Atomic::Xor => binary(Binary::Xor),
        };
        if let Some(new) = new {
            self.write(id, t, offset, &new.bits.to_le_bytes()[..size]);
        }
        if !op.dst.is_empty() {
            self.set(op, 0, t, old);
        }
        if op.dst.len() > 1 {
            self.set(op, 1, t, Const::new(Scalar::Bool, u64::from(new.is_some())));
        }
    }

    fn attribute(&self, attribute: Attribute, i: usize, t: usize) -> u32 {
        let index = t as u32;
        let [w, h, _] = self.size;
        let local = [index % w, index / w % h, index / (w * h)];
        let n = self.n as u32;
        match attribute {
            Attribute::ThreadPositionInGrid => self.group[i] * self.nominal[i] + local[i],
            Attribute::ThreadPositionInThreadgroup => local[i],
            Attribute::ThreadgroupPositionInGrid => self.group[i],
            Attribute::ThreadsPerThreadgroup => self.size[i],
            Attribute::DispatchThreadsPerThreadgroup => self.nominal[i],
            Attribute::ThreadsPerGrid | Attribute::GridSize => self.grid[i],
            Attribute::ThreadgroupsPerGrid => self.grid[i].div_ceil(self.nominal[i]),
            Attribute::GridOrigin => 0,
            Attribute::ThreadIndexInThreadgroup => index,
            Attribute::ThreadIndexInSimdgroup => index % 32,
            Attribute::SimdgroupIndexInThreadgroup => index / 32,
            Attribute::SimdgroupsPerThreadgroup | Attribute::DispatchSimdgroupsPerThreadgroup => {
                n.div_ceil(32)
            }
            Attribute::ThreadsPerSimdgroup | Attribute::ThreadExecutionWidth => 32,
            Attribute::ThreadIndexInQuadgroup => index % 4,
            Attribute::QuadgroupIndexInThreadgroup => index / 4,
            Attribute::QuadgroupsPerThreadgroup | Attribute::DispatchQuadgroupsPerThreadgroup => {
                n.div_ceil(4)
            }
        }
    }

    fn simd(&mut self, op: &Op, simd: Simd, ty: Scalar, active: &[bool]) {
        for start in (0..self.n).step_by(32) {
            let lanes: Vec<usize> = (start..(start + 32).min(self.n)).filter(|t| active[*t]).collect();
            let values: Vec<Const> = lanes
                .iter()
                .map(|t| op.args.first().map_or(Const::new(ty, 0), |arg| self.bits(*arg, *t)))
                .collect();
            let fold = |list: &[Const], binary: Binary| {
                let first = list[0];
                list[1..].iter().fold(first, |sum, value| {
                    fold::evaluate(OpKind::Binary(binary, ty), &[sum, *value]).expect("pure")
                })
            };
            for (i, t) in lanes.iter().copied().enumerate() {
                let lane = (t - start) as i64;
                let last = op.args.last().map(|arg| self.value(*arg, t));
                let by = match last {
                    Some(Cellular::Bits(constant)) => constant.bits as i64,
                    _ => 0,
                };
                let from =
                    |lane: i64| lanes.iter().position(|t| (*t - start) as i64 == lane).map(|i| values[i]);
                let bool_of = |value: bool| Const::new(Scalar::Bool, u64::from(value));
                let one = fold::convert(Const::new(Scalar::U32, 1), ty);
                let result = match simd {
                    Simd::Sum => fold(&values, Binary::Add),
                    Simd::Product => fold(&values, Binary::Multiply),
                    Simd::Min => fold(&values, Binary::Min),
                    Simd::Max => fold(&values, Binary::Max),
                    Simd::And => fold(&values, Binary::And),
                    Simd::Or => fold(&values, Binary::Or),
                    Simd::Xor => fold(&values, Binary::Xor),
                    Simd::PrefixInclusiveSum => fold(&values[..=i], Binary::Add),
                    Simd::PrefixExclusiveSum if i == 0 => Const::new(ty, 0),
                    Simd::PrefixExclusiveSum => fold(&values[..i], Binary::Add),
                    Simd::PrefixInclusiveProduct => fold(&values[..=i], Binary::Multiply),
                    Simd::PrefixExclusiveProduct if i == 0 => one,
                    Simd::PrefixExclusiveProduct => fold(&values[..i], Binary::Multiply),
                    Simd::BroadcastFirst => values[0],
                    Simd::Broadcast | Simd::Shuffle => from(by).expect("a lane that does not take part"),
                    Simd::ShuffleXor => from(lane ^ by).expect("a lane that does not take part"),
                    Simd::ShuffleUp => from(lane - by).unwrap_or(values[i]),
                    Simd::ShuffleDown => from(lane + by).unwrap_or(values[i]),
                    Simd::RotateUp => from((lane - by).rem_euclid(32)).expect("a lane"),
                    Simd::RotateDown => from((lane + by).rem_euclid(32)).expect("a lane"),
                    Simd::Any => bool_of(values.iter().any(|v| v.bits != 0)),
                    Simd::All => bool_of(values.iter().all(|v| v.bits != 0)),
                    Simd::Ballot => {
                        let bit = |(t, v): (&usize, &Const)| v.bits << (t - start);
                        Const::new(Scalar::U64, lanes.iter().zip(&values).map(bit).sum())
                    }
                    Simd::ActiveMask => {
                        Const::new(Scalar::U64, lanes.iter().map(|t| 1u64 << (t - start)).sum())
                    }
                    Simd::First => bool_of(i == 0),
                    Simd::FillUp | Simd::FillDown => {
                        let to = if simd == Simd::FillUp { lane - by } else { lane + by };
                        match to {
                            0..32 => from(to).expect("a lane that does not take part"),
                            // What is shifted in comes from the other end.
                            _ => self.bits(op.args[1], start + to.rem_euclid(32) as usize),
                        }
                    }
                    Simd::QuadBroadcast | Simd::QuadShuffle => from(lane / 4 * 4 + by % 4).expect("a lane"),
                    Simd::QuadShuffleXor => from(lane ^ by % 4).expect("a lane"),
                    Simd::QuadShuffleUp if lane % 4 < by => values[i],
                    Simd::QuadShuffleUp => from(lane - by).expect("a lane"),
                    Simd::QuadShuffleDown if lane % 4 + by > 3 => values[i],
                    Simd::QuadShuffleDown => from(lane + by).expect("a lane"),
                    Simd::QuadSum | Simd::QuadMin | Simd::QuadMax => {
                        let quad = (0..4).filter_map(|k| from(lane / 4 * 4 + k)).collect::<Vec<_>>();
                        let binary = match simd {
                            Simd::QuadSum => Binary::Add,
                            Simd::QuadMin => Binary::Min,
                            _ => Binary::Max,
                        };
                        fold(&quad, binary)
                    }
                };
                self.set(op, 0, t, result);
            }
        }
    }

    fn matrix(&mut self, op: &Op, sum: Scalar, active: &[bool]) {
        assert!(active.iter().all(|a| *a) && self.n.is_multiple_of(32), "matrices need whole SIMD groups");
        for start in (0..self.n).step_by(32) {
            let mut matrices = [[[0f64; 8]; 8]; 3];
            let place = |lane: usize, element: usize| {
                let quad = lane / 4;
                ((quad & 4) + (lane / 2) % 4, (quad & 2) * 2 + (lane % 2) * 2 + element)
            };
            for lane in 0..32 {
                for (m, matrix) in matrices.iter_mut().enumerate() {
                    for element in 0..2 {
                        let (row, column) = place(lane, element);
                        matrix[row][column] = fold::to_f64(self.bits(op.args[2 * m + element], start + lane));
                    }
                }
            }
            let [a, b, c] = matrices;
            for lane in 0..32 {
                for element in 0..2 {
                    let (row, column) = place(lane, element);
                    let product: f64 = (0..8).map(|k| a[row][k] * b[k][column]).sum();
                    self.set(op, element, start + lane, fold::from_f64(sum, product + c[row][column]));
                }
            }
        }
    }
}

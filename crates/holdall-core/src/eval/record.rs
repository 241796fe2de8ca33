//! Recording what a worklist names: views, kernels, fused elementwise programs.

use std::sync::Arc;

use holdall_memory::{Access, Storage};
use parking_lot::Mutex;
use smallvec::SmallVec;

use super::encoder::Scheduler;
use super::fuse::Fusion;
use super::topology::Worklist;
use crate::device::{Argument, Operand, Plan, Pointwise, Request, is_aligned};
use crate::error::{Error, ErrorKind, Result};
use crate::node::{Graph, Node, Value, detach};
use crate::op::{Op, Primitive, Spec};
use crate::pointwise::{Program, Register};
use crate::shape::{Layout, Strides, broadcast_strides};
use crate::stream::StreamId;
use crate::{Array, trace};

/// The values of an op's inputs on its own device, kept while it is recorded.
type Values = SmallVec<[Arc<Value>; 4]>;

impl Worklist {
    /// Records everything, inputs first.
    pub fn record(mut self, scheduler: &mut Scheduler) -> Result<()> {
        let mut fusion = Fusion::new(&self);
        let mut members = Vec::new();
        for i in 0..self.entries.len() {
            if !fusion.is_root(i) {
                continue; // recorded with its kernel's last member
            }
            let Some(node) = self.entries[i].node.clone() else { continue };
            fusion.list_members(i, &mut members);
            self.record_entry(scheduler, &mut fusion, &members, &node).map_err(|e| e.at(node.origin))?;
            for member in &members {
                self.finish(*member);
            }
            detach(&node);
            scheduler.encoder(node.stream).flush_if_full()?;
        }
        Ok(())
    }

    fn record_entry(
        &self,
        scheduler: &mut Scheduler,
        fusion: &mut Fusion,
        members: &[usize],
        node: &Arc<Node>,
    ) -> Result<()> {
        let structured = match node.graph.lock().as_ref() {
            None => return Ok(()),
            Some(Graph { op: Op::Row(_) | Op::Cast(_) | Op::Constant(_), .. }) => None,
            Some(graph) => Some((graph.op.clone(), graph.inputs.clone())),
        };
        let Some((op, inputs)) = structured else {
            let fused = self.program(fusion, members);
            return self.record_pointwise(scheduler, fused, node);
        };
        let mut record = Recorder { scheduler, node };
        match op {
            Op::Primitive(op) if op.0.is_view() => record.view(&*op.0, &inputs[0]),
            Op::Primitive(op) => {
                record.observe(&*op.0, &inputs)?;
                // The clone above, this list's own reference and the graph: more owners than these need the value.
                let donated = op.0.donates().iter().copied().filter(|i| self.donates(node, &inputs[*i], 2));
                record.kernel(&*op.0, &inputs, &donated.collect::<SmallVec<[usize; 2]>>())
            }
            _ => {
                for (i, x) in inputs[..node.outputs.len()].iter().enumerate() {
                    let value = record.value_of(x)?;
                    record.set(i, share(&value));
                }
                Ok(())
            }
        }
    }

    /// Whether the memory of an input of `node` may be taken over: `owners` arrays of it are those that the present op
    /// holds, there are no others, and no owner of its memory but its value. A traced node keeps its inputs.
    fn donates(&self, node: &Node, x: &Array, owners: usize) -> bool {
        let others = match &x.slot {
            Some(slot) => Arc::strong_count(slot),
            None => {
                let listed = self.find(&x.node).is_some_and(|i| self.entries[i].node.is_some());
                Arc::strong_count(&x.node) - usize::from(listed)
            }
        };
        !trace::is_open(node.trace)
            && others == owners
            && x.value().is_some_and(|v| Arc::strong_count(&v.storage) == 1)
    }

    /// Records the elementwise kernel whose last member is `node`.
    fn record_pointwise(&self, scheduler: &mut Scheduler, fused: Fused, node: &Arc<Node>) -> Result<()> {
        let mut record = Recorder { scheduler, node };
        let mut values = Values::new();
        for (x, _) in &fused.inputs {
            values.push(record.value_of(x)?);
        }
        let spec = &node.outputs[0].spec;
        let strides: SmallVec<[Strides; 4]> = fused
            .inputs
            .iter()
            .zip(&values)
            .map(|((x, _), v)| broadcast_strides(x.shape(), &v.layout.strides, &spec.shape))
            .collect();
        // Elements are read before they are written, and at the same place: an input that ends here, lies without
        // gaps and is as large may become the output.
        let donor = (node.outputs.len() == 1)
            .then(|| {
                fused.inputs.iter().zip(&values).position(|((x, uses), v)| {
                    x.shape() == &spec.shape[..]
                        && x.dtype().size() == spec.dtype.size()
                        && v.layout.is_contiguous(x.shape())
                        && v.storage.bytes() == spec.bytes()
                        && v.device == record.device()
                        // The program's own reference, the graphs' of this kernel.
                        && self.donates(node, x, uses + 1)
                        && record.scheduler.encoder(node.stream).queue.may_reuse(&v.storage)
                })
            })
            .flatten();
        record.pointwise(&fused.program, &strides, &values, donor)
    }

    /// The program of an elementwise kernel.
    fn program(&self, fusion: &mut Fusion, members: &[usize]) -> Fused {
        let mut fused = Fused { inputs: SmallVec::new(), program: Program::default() };
        // Inputs come first among the registers, so find them all before the steps.
        let mut graphs: SmallVec<[_; 8]> = SmallVec::with_capacity(members.len());
        for m in members {
            if let Some(node) = &self.entries[*m].node {
                graphs.push((*m, node.graph.lock()));
            }
        }
        let Some(last) = members.last().copied() else { return fused };
        for (_, graph) in &graphs {
            for x in graph.iter().flat_map(|g| &g.inputs) {
                if x.as_constant().is_some() || self.find(&x.node).is_some_and(|i| fusion.root(i) == last) {
                    continue;
                }
                match fused
                    .inputs
                    .iter_mut()
                    .find(|(y, _)| Arc::ptr_eq(&x.node, &y.node) && x.index == y.index)
                {
                    Some((_, uses)) => *uses += 1,
                    None => fused.inputs.push((x.clone(), 1)),
                }
            }
        }
        fused.program = Program::new(fused.inputs.iter().map(|(x, _)| x.dtype()));
        // A constant or two besides.
        fused.program.reserve(members.len() + 2);
        for (m, graph) in &graphs {
            let Some(graph) = graph.as_ref() else { continue };
            let mut operands: SmallVec<[Register; 3]> = SmallVec::new();
            for x in &graph.inputs {
                let register = if let Some(value) = x.as_constant() {
                    fused.program.constant(value)
                } else if let Some(i) = self.find(&x.node).filter(|i| fusion.root(*i) == last) {
                    fusion.registers[i]
                } else {
                    let at = fused
                        .inputs
                        .iter()
                        .position(|(y, _)| Arc::ptr_eq(&x.node, &y.node) && x.index == y.index);
                    at.unwrap_or(0) as Register
                };
                operands.push(register);
            }
            let outputs = self.entries[*m].node.as_ref().map_or(&[][..], |n| &n.outputs[..]);
            let register = match &graph.op {
                Op::Row(row) => {
                    let dtype = fused.program.types[operands[operands.len() - 1] as usize];
                    fused.program.row(row, dtype, &operands, outputs[0].spec.dtype)
                }
                Op::Cast(to) => fused.program.cast(operands[0], *to),
                Op::Constant(value) => fused.program.constant(*value),
                _ => unreachable!("only elementwise nodes are fused"),
            };
            fusion.registers[*m] = register;
            if *m == last {
                fused.program.outputs = (0..outputs.len() as Register).map(|i| register + i).collect();
            }
        }
        fused
    }
}

/// An elementwise kernel before it is bound: its inputs, each with how often the kernel takes it, and its program.
struct Fused {
    inputs: SmallVec<[(Array, usize); 4]>,
    program: Program,
}

/// Records one node.
pub(super) struct Recorder<'a> {
    pub(super) scheduler: &'a mut Scheduler,
    pub(super) node: &'a Arc<Node>,
}

impl Recorder<'_> {
    fn stream(&self) -> StreamId {
        self.node.stream
    }

    fn device(&mut self) -> crate::device::DeviceId {
        let stream = self.stream();
        self.scheduler.encoder(stream).device_id
    }

    fn name(&self) -> &'static str {
        self.node.graph.lock().as_ref().map_or("eval", |g| g.op.name())
    }

    fn set(&self, output: usize, value: Value) {
        // Set once: nodes are recorded under the scheduler's lock, and only while they have no value.
        self.node.outputs[output].set(value);
    }

    /// A block for what is recorded next.
    fn take(&mut self, op: &'static str, bytes: usize) -> Result<Storage> {
        self.scheduler.take(self.node.stream, op, bytes)
    }

    /// A value of this node's stream and device over `storage`.
    fn value(&mut self, storage: Arc<Storage>, layout: Layout) -> Value {
        let encoder = self.scheduler.encoder(self.node.stream);
        Value {
            storage,
            layout,
            device: encoder.device_id,
            written: encoder.now(),
            replicas: Mutex::default(),
        }
    }

    /// The value of an input, on the device of this node, ordered before what is recorded next.
    pub(super) fn value_of(&mut self, x: &Array) -> Result<Arc<Value>> {
        if x.value().is_none()
            && let Some(value) = x.as_constant()
        {
            // A constant that meets an op with a kernel of its own: put it into memory for this use.
            let program = {
                let mut p = Program::default();
                let r = p.constant(value);
                p.outputs = vec![r];
                p
            };
            let spec = x.spec().clone();
            return Ok(Arc::new(self.run_pointwise(&program, &spec, &[], &[])?));
        }
        let value =
            x.value().ok_or_else(|| Error::new(ErrorKind::Device, self.name(), "an input has no value"))?;
        let device = self.device();
        if value.device == device {
            self.scheduler.order_after(self.node.stream, value.written)?;
            return Ok(value.clone());
        }
        let found = value.replicas.lock().iter().find(|(id, _)| *id == device).map(|(_, v)| v.clone());
        if let Some(replica) = found {
            self.scheduler.order_after(self.node.stream, replica.written)?;
            return Ok(replica);
        }
        let replica = Arc::new(self.import(value)?);
        value.replicas.lock().push((device, replica.clone()));
        Ok(replica)
    }

    /// A copy of a block of another device.
    fn import(&mut self, value: &Value) -> Result<Value> {
        self.scheduler.order_after(self.node.stream, value.written)?;
        let from = value.device.get()?;
        let (op, origin, bytes) = (self.name(), self.node.origin, value.storage.bytes());
        let launch = self.scheduler.device(self.stream()).import(&*from, bytes)?;
        let storage = self.take(op, bytes)?;
        let encoder = self.scheduler.encoder(self.node.stream);
        encoder.push(op, origin, launch, &[(&value.storage, 0, Access::Read), (&storage, 0, Access::Write)]);
        Ok(self.value(Arc::new(storage), value.layout.clone()))
    }

    /// Runs an elementwise program into a new block.
    fn run_pointwise(
        &mut self,
        program: &Program,
        spec: &Spec,
        strides: &[Strides],
        values: &[Arc<Value>],
    ) -> Result<Value> {
        let (op, origin) = (self.name(), self.node.origin);
        let storage = self.take(op, spec.bytes())?;
        if spec.size() > 0 {
            let encoder = self.scheduler.encoder(self.node.stream);
            let mut blocks = input_blocks(program, values);
            let is_aligned = blocks.iter().all(|(_, offset, _)| is_aligned(*offset));
            let request = Pointwise { program, shape: &spec.shape, strides, is_aligned };
            let launch = encoder.device.pointwise(&request)?;
            blocks.push((&storage, 0, Access::Write));
            encoder.push(op, origin, launch, &blocks);
        }
        Ok(self.value(Arc::new(storage), Layout::contiguous(&spec.shape)))
    }

    /// A row-major copy of a value.
    pub(super) fn contiguous(&mut self, value: &Arc<Value>, spec: &Spec) -> Result<Arc<Value>> {
        let strides = [value.layout.strides.clone()];
        let copy =
            self.run_pointwise(&Program::copy(spec.dtype), spec, &strides, std::slice::from_ref(value))?;
        Ok(Arc::new(copy))
    }

    fn pointwise(
        &mut self,
        program: &Program,
        strides: &[Strides],
        values: &[Arc<Value>],
        donor: Option<usize>,
    ) -> Result<()> {
        let outputs: SmallVec<[&Spec; 2]> = self.node.outputs.iter().map(|o| &o.spec).collect();
        if let ([spec], None) = (&outputs[..], donor) {
            let value = self.run_pointwise(program, spec, strides, values)?;
            self.set(0, value);
            return Ok(());
        }
        let (op, origin, shape) = (self.name(), self.node.origin, &outputs[0].shape);
        let mut storages: SmallVec<[(Arc<Storage>, Layout); 2]> = SmallVec::new();
        for spec in &outputs {
            storages.push(match donor {
                Some(i) => (values[i].storage.clone(), values[i].layout.clone()),
                None => (Arc::new(self.take(op, spec.bytes())?), Layout::contiguous(shape)),
            });
        }
        let encoder = self.scheduler.encoder(self.node.stream);
        if outputs[0].size() > 0 {
            let mut blocks = input_blocks(program, values);
            for ((storage, layout), spec) in storages.iter().zip(&outputs) {
                blocks.push((storage, layout.offset * spec.dtype.size(), Access::Write));
            }
            let is_aligned = blocks.iter().all(|(_, offset, _)| is_aligned(*offset));
            let launch = encoder.device.pointwise(&Pointwise { program, shape, strides, is_aligned })?;
            encoder.push(op, origin, launch, &blocks);
        }
        for (i, (storage, layout)) in storages.into_iter().enumerate() {
            let value = self.value(storage, layout);
            self.set(i, value);
        }
        Ok(())
    }

    fn view(&mut self, op: &dyn Primitive, x: &Array) -> Result<()> {
        let mut value = self.value_of(x)?;
        let output = &self.node.outputs[0].spec;
        let layout = match op.view(x.spec(), &value.layout, output) {
            Some(layout) => layout,
            None => {
                value = self.contiguous(&value, x.spec())?;
                op.view(x.spec(), &value.layout, output).ok_or_else(|| {
                    Error::new(ErrorKind::Kernel, op.name(), "has no layout over a contiguous input")
                })?
            }
        };
        self.set(0, Value { layout, ..share(&value) });
        Ok(())
    }

    fn kernel(&mut self, op: &dyn Primitive, inputs: &[Array], donated: &[usize]) -> Result<()> {
        let mut values = Values::new();
        for x in inputs {
            values.push(self.value_of(x)?);
        }
        let operand = |x: &Array, v: &Value| Operand { spec: x.spec().clone(), layout: v.layout.clone() };
        let mut operands: SmallVec<[Operand; 4]> =
            inputs.iter().zip(&values).map(|(x, v)| operand(x, v)).collect();
        let outputs: SmallVec<[Spec; 1]> = self.node.outputs.iter().map(|o| o.spec.clone()).collect();
        let plan = |me: &mut Self, operands: &[Operand]| {
            let request = Request { inputs: operands, outputs: &outputs };
            me.scheduler.encoder(me.node.stream).device.kernels().plan(op, &request)
        };
        let mut planned = plan(self, &operands)?;
        if !planned.contiguous.is_empty() {
            for i in std::mem::take(&mut planned.contiguous) {
                values[i] = self.contiguous(&values[i], inputs[i].spec())?;
                operands[i] = operand(&inputs[i], &values[i]);
            }
            planned = plan(self, &operands)?;
            if !planned.contiguous.is_empty() {
                return Err(Error::new(
                    ErrorKind::Kernel,
                    op.name(),
                    "the kernel's plan asks for copies of copies",
                ));
            }
        }
        self.launch(op.name(), inputs, &values, &outputs, planned, donated)
    }

    /// Allocates what a plan needs, then binds and records it.
    fn launch(
        &mut self,
        op: &'static str,
        inputs: &[Array],
        values: &[Arc<Value>],
        outputs: &[Spec],
        plan: Plan,
        donated: &[usize],
    ) -> Result<()> {
        let origin = self.node.origin;
        let mut storages: SmallVec<[(Arc<Storage>, Layout); 2]> = SmallVec::new();
        for (i, spec) in outputs.iter().enumerate() {
            let in_place = plan.in_place.iter().find(|(output, _)| *output == i);
            storages.push(match in_place.map(|pair| pair.1) {
                Some(k) => self.in_place(inputs, values, k, donated)?,
                None => {
                    let layout =
                        plan.layouts.get(i).cloned().unwrap_or_else(|| Layout::contiguous(&spec.shape));
                    (Arc::new(self.take(op, spec.bytes())?), layout)
                }
            });
        }
        let temporaries: SmallVec<[Storage; 2]> =
            plan.temporaries.iter().map(|bytes| self.take(op, *bytes)).collect::<Result<_>>()?;
        let encoder = self.scheduler.encoder(self.node.stream);
        for (launch, arguments) in plan.launches {
            let blocks: SmallVec<[(&Storage, usize, Access); 6]> = arguments
                .iter()
                .map(|(argument, access)| match *argument {
                    Argument::Input(i) => {
                        (&*values[i].storage, values[i].layout.offset * inputs[i].dtype().size(), *access)
                    }
                    Argument::Output(i) => {
                        (&*storages[i].0, storages[i].1.offset * outputs[i].dtype.size(), *access)
                    }
                    Argument::Temporary(i) => (&temporaries[i], 0, *access),
                })
                .collect();
            encoder.push(op, origin, launch, &blocks);
        }
        for (i, (storage, layout)) in storages.into_iter().enumerate() {
            let value = self.value(storage, layout);
            self.set(i, value);
        }
        Ok(())
    }

    /// The memory that an op updates in place: that of its input if nobody else needs it, else a copy.
    fn in_place(
        &mut self,
        inputs: &[Array],
        values: &[Arc<Value>],
        input: usize,
        donated: &[usize],
    ) -> Result<(Arc<Storage>, Layout)> {
        let value = &values[input];
        let mine = value.device == self.device();
        let encoder = self.scheduler.encoder(self.node.stream);
        // A copy that was made for this op has no other owner either.
        let fresh = Arc::strong_count(value) == 1 && Arc::strong_count(&value.storage) == 1;
        if (fresh || donated.contains(&input)) && mine && encoder.queue.may_reuse(&value.storage) {
            return Ok((value.storage.clone(), value.layout.clone()));
        }
        let copy = self.contiguous(value, inputs[input].spec())?;
        Ok((copy.storage.clone(), copy.layout.clone()))
    }
}

fn input_blocks<'a>(
    program: &Program,
    values: &'a [Arc<Value>],
) -> SmallVec<[(&'a Storage, usize, Access); 6]> {
    values
        .iter()
        .zip(&program.types)
        .map(|(v, dtype)| (&*v.storage, v.layout.offset * dtype.size(), Access::Read))
        .collect()
}

/// The same memory once more.
fn share(value: &Value) -> Value {
    Value {
        storage: value.storage.clone(),
        layout: value.layout.clone(),
        device: value.device,
        written: value.written,
        replicas: Mutex::default(),
    }
}

//! The array: a place in a graph, and its value once somebody has looked.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use holdall_memory::Storage;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::device::DeviceId;
use crate::dtype::{Dtype, Element};
use crate::error::{Error, ErrorKind, Origin, Result};
use crate::node::{Graph, Inputs, Node, Output, Place, Slot, Value};
use crate::op::{Handle, Op, Primitive, Spec, Specs};
use crate::pointwise::{Class, Row};
use crate::runtime::Runtime;
use crate::scalar::{Operand, Scalar};
use crate::shape::{Dims, Layout, broadcast, checked_size};
use crate::stream::{self, StreamId};
use crate::trace::{self, Label};

/// A multidimensional array: computed when its value is asked for, cheap to clone, immutable.
#[derive(Clone)]
pub struct Array {
    pub(crate) node: Arc<Node>,
    pub(crate) index: u32,
    /// Of an output that is one of several: where its value is, see [`Place`].
    pub(crate) slot: Option<Arc<Slot>>,
}

impl Array {
    /// The output of a node that has one.
    pub(crate) fn only(node: Arc<Node>) -> Self {
        debug_assert_eq!(node.outputs.len(), 1);
        Self { node, index: 0, slot: None }
    }

    /// Records an op of one output.
    ///
    /// # Errors
    /// When the op does not take these inputs.
    #[track_caller]
    pub fn apply(op: impl Primitive, inputs: &[&Self]) -> Result<Self> {
        let node = Self::primitive(op, inputs)?;
        Ok(Self::only(node))
    }

    /// Records an op of several outputs.
    ///
    /// # Errors
    /// When the op does not take these inputs.
    #[track_caller]
    pub fn apply_many(op: impl Primitive, inputs: &[&Self]) -> Result<Vec<Self>> {
        Ok(Self::outputs_of(&Self::primitive(op, inputs)?))
    }

    #[track_caller]
    fn primitive(op: impl Primitive, inputs: &[&Self]) -> Result<Arc<Node>> {
        Self::handle(Handle(Arc::new(op)), inputs.iter().map(|x| (*x).clone()).collect())
    }

    /// As [`Array::apply_many`], for an op taken from another node.
    #[track_caller]
    pub(crate) fn handle(op: Handle, inputs: Inputs) -> Result<Arc<Node>> {
        Self::handle_at(op, inputs, Origin::caller())
    }

    /// As [`Self::handle`], for an op that was built elsewhere.
    pub(crate) fn handle_at(op: Handle, inputs: Inputs, origin: Origin) -> Result<Arc<Node>> {
        let specs: SmallVec<[&Spec; 4]> = inputs.iter().map(Self::spec).collect();
        let outputs = op.0.infer(&specs).map_err(|e| e.at(origin))?;
        drop(specs);
        for spec in &outputs {
            if checked_size(&spec.shape, spec.dtype.size()).is_none() {
                return Err(Error::shape(
                    op.0.name(),
                    format!("an array of shape {:?} does not fit in memory", spec.shape),
                )
                .at(origin));
            }
        }
        Ok(Self::node(Op::Primitive(op), inputs, outputs, origin))
    }

    pub(crate) fn node(op: Op, inputs: Inputs, outputs: Specs, origin: Origin) -> Arc<Node> {
        let trace = trace::of(&inputs);
        Self::traced(op, inputs, outputs, origin, trace)
    }

    /// A node with a label of its own: a transformation's copy of an input.
    pub(crate) fn traced(op: Op, inputs: Inputs, outputs: Specs, origin: Origin, trace: Label) -> Arc<Node> {
        let n = outputs.len();
        let output = |spec| Output::new(spec, n);
        let constant = if let Op::Constant(value) = op { Some(value) } else { None };
        let mut specs = outputs.iter().chain(inputs.iter().map(Self::spec));
        let is_double = specs.any(|spec| spec.dtype == Dtype::Float64);
        Arc::new(Node {
            constant,
            outputs: outputs.into_iter().map(output).collect(),
            graph: Mutex::new(Some(Graph { op, inputs })),
            origin,
            mark: AtomicU32::new(0),
            stream: if is_double { Runtime::stream_of_doubles() } else { stream::current() },
            trace,
        })
    }

    pub(crate) fn outputs_of(node: &Arc<Node>) -> Vec<Self> {
        let each = node.outputs.iter().zip(0..);
        each.map(|(output, index)| Self { node: node.clone(), index, slot: output.slot() }).collect()
    }

    /// Records an op of the elementwise table: inputs are promoted to one type and broadcast to one shape. For those
    /// who go through the table; each op has a method of its own besides.
    ///
    /// # Errors
    /// When their number is not the row's arity, the shapes do not broadcast, or the row does not take the type.
    #[track_caller]
    pub fn elementwise(row: &'static Row, inputs: &[&Self]) -> Result<Vec<Self>> {
        if inputs.len() != usize::from(row.arity) {
            return Err(Error::argument(
                row.name,
                format!("wanted {} inputs, got {}", row.arity, inputs.len()),
            )
            .at(Origin::caller()));
        }
        Ok(Self::outputs_of(&Self::row_node(row, inputs)?))
    }

    /// Records an elementwise op: inputs are promoted to one type and broadcast to one shape.
    #[track_caller]
    pub(crate) fn row(row: &'static Row, inputs: &[&Self]) -> Result<Self> {
        Ok(Self::only(Self::row_node(row, inputs)?))
    }

    #[track_caller]
    pub(crate) fn row_node(row: &'static Row, inputs: &[&Self]) -> Result<Arc<Node>> {
        let origin = Origin::caller();
        let skip = usize::from(row.class == Class::Select);
        let promoted = inputs[skip + 1..].iter().fold(inputs[skip].dtype(), |d, x| d.promote(x.dtype()));
        let (compute, output) = row.types(promoted).map_err(|e| e.at(origin))?;
        let mut shape: Dims = inputs[0].shape().into();
        for x in &inputs[1..] {
            if x.shape() != &shape[..] {
                shape = broadcast(&shape, x.shape()).ok_or_else(|| {
                    let shapes: Vec<String> = inputs.iter().map(|x| format!("{:?}", x.shape())).collect();
                    Error::shape(row.name, format!("shapes {} do not broadcast", shapes.join(" and ")))
                        .at(origin)
                })?;
            }
        }
        if checked_size(&shape, output.size()).is_none() {
            return Err(Error::shape(
                row.name,
                format!("an array of shape {shape:?} does not fit in memory"),
            )
            .at(origin));
        }
        let cast = |(i, x): (usize, &&Self)| x.to_dtype(if i < skip { Dtype::Bool } else { compute }, origin);
        let inputs: Inputs = inputs.iter().enumerate().map(cast).collect();
        let outputs = std::iter::repeat_n(Spec { shape, dtype: output }, usize::from(row.outputs)).collect();
        Ok(Self::node(Op::Row(row), inputs, outputs, origin))
    }

    /// Records a binary elementwise op whose operands may be numbers of the host language.
    #[track_caller]
    pub(crate) fn binary(row: &'static Row, a: Operand, b: Operand) -> Result<Self> {
        let beside = |x: &Operand, other: &Operand| match other {
            Operand::Array(other) => x.dtype_beside(other.dtype()),
            number => x.default_dtype().promote(number.default_dtype()),
        };
        let number = |x: &Operand, other| {
            let dtype = beside(x, other);
            if let (Operand::Int(i), true) = (x, dtype.is_integer() && dtype != Dtype::Uint64) {
                let fits = Scalar::from_i64(*i, dtype).to_i64() == Some(*i);
                if !fits {
                    return Err(
                        Error::argument(row.name, format!("{i} does not fit {dtype}")).at(Origin::caller())
                    );
                }
            }
            Ok(x.scalar(dtype).map(Self::constant))
        };
        let (x, y) = (number(&a, &b)?, number(&b, &a)?);
        let of = |operand: Operand, made: Option<Self>| match (operand, made) {
            (Operand::Array(x), _) | (_, Some(x)) => x,
            _ => unreachable!("an operand is an array or a number"),
        };
        Self::row(row, &[&of(a, x), &of(b, y)])
    }

    pub(crate) fn to_dtype(&self, dtype: Dtype, origin: Origin) -> Self {
        if self.dtype() == dtype {
            return self.clone();
        }
        if let Some(value) = self.as_constant().filter(|v| v.dtype() != Dtype::Complex64) {
            let value = match value.to_i64() {
                Some(i) => Scalar::from_i64(i, dtype),
                None => Scalar::from_f64(value.to_f64(), dtype),
            };
            return Self::constant(value);
        }
        self.cast(dtype, origin)
    }

    /// A copy of its own, row-major: a conversion to the type that it has.
    pub(crate) fn copied(&self, origin: Origin) -> Self {
        self.cast(self.dtype(), origin)
    }

    fn cast(&self, dtype: Dtype, origin: Origin) -> Self {
        let spec = Spec { shape: self.shape().into(), dtype };
        let node = Self::node(
            Op::Cast(dtype),
            std::iter::once(self.clone()).collect(),
            std::iter::once(spec).collect(),
            origin,
        );
        Self::only(node)
    }

    /// One value, of no dimensions. Allocates nothing until it is needed in memory.
    #[track_caller]
    pub fn constant(value: Scalar) -> Self {
        thread_local! {
            static RECENT: RefCell<FxHashMap<(Scalar, StreamId), Array>> = RefCell::default();
        }
        let origin = Origin::caller();
        let key = (value, stream::current());
        let make = || {
            let spec = Spec { shape: Dims::new(), dtype: value.dtype() };
            let node =
                Self::node(Op::Constant(value), Inputs::new(), std::iter::once(spec).collect(), origin);
            Self::only(node)
        };
        // Graphs are full of the same few numbers; sharing their nodes halves the size of a chain of `x + 1`.
        RECENT
            .try_with(|recent| {
                let mut recent = recent.borrow_mut();
                if recent.len() >= 64 && !recent.contains_key(&key) {
                    recent.clear();
                }
                recent.entry(key).or_insert_with(make).clone()
            })
            .unwrap_or_else(|_| make())
    }

    /// The number that this array is, if it was made from one.
    pub(crate) fn as_constant(&self) -> Option<Scalar> {
        self.node.constant
    }

    /// A scalar array of `value`'s own type.
    #[track_caller]
    pub fn scalar<T: Element>(value: T) -> Self {
        Self::constant(Scalar::new(value))
    }

    /// An array of the elements of `data`, row-major.
    ///
    /// # Errors
    /// When their number is not that of the shape, or memory runs out.
    #[track_caller]
    pub fn from_slice<T: Element>(data: &[T], shape: &[usize]) -> Result<Self> {
        Self::from_bytes(bytemuck::cast_slice(data), shape, T::DTYPE)
    }

    /// An array of elements given as bytes in the machine's order, row-major.
    ///
    /// # Errors
    /// When their number is not that of the shape, or memory runs out.
    #[track_caller]
    pub fn from_bytes(data: &[u8], shape: &[usize], dtype: Dtype) -> Result<Self> {
        let origin = Origin::caller();
        let bytes = checked_size(shape, dtype.size()).map(|n| n * dtype.size());
        if bytes != Some(data.len()) {
            return Err(Error::shape(
                "array",
                format!("{} bytes of {dtype} do not fill shape {shape:?}", data.len()),
            )
            .at(origin));
        }
        let runtime = Runtime::get()?;
        let stream = if dtype == Dtype::Float64 { Runtime::stream_of_doubles() } else { stream::current() };
        let (device, driver) = runtime.device_of(stream)?;
        let storage = driver.upload(data.len(), &mut |to| {
            to.copy_from_slice(data);
            Ok(())
        })?;
        let spec = Spec { shape: shape.into(), dtype };
        let layout = Layout::contiguous(shape);
        Ok(Self::ready(spec, storage, layout, device, origin))
    }

    fn ready(spec: Spec, storage: Storage, layout: Layout, device: DeviceId, origin: Origin) -> Self {
        let value =
            Value { storage: Arc::new(storage), layout, device, written: None, replicas: Mutex::default() };
        let node = Node {
            outputs: std::iter::once(Output { spec, place: Place::Node(Slot::from(Arc::new(value))) })
                .collect(),
            graph: Mutex::new(None),
            origin,
            mark: AtomicU32::new(0),
            stream: stream::current(),
            constant: None,
            trace: 0,
        };
        Self::only(Arc::new(node))
    }

    pub(crate) fn output(&self) -> &Output {
        &self.node.outputs[self.index as usize]
    }

    pub(crate) fn value(&self) -> Option<&Arc<Value>> {
        match (&self.slot, &self.output().place) {
            (Some(slot), _) => slot.get(),
            (None, Place::Node(slot)) => slot.get(),
            (None, Place::Arrays { .. }) => None,
        }
    }

    /// Shape and type.
    pub fn spec(&self) -> &Spec {
        &self.output().spec
    }

    /// Sizes of the axes, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.spec().shape
    }

    /// The size of one axis, counted from the back if negative.
    ///
    /// # Panics
    /// When there is no such axis.
    pub fn dim(&self, axis: i32) -> usize {
        match crate::shape::axis_index("dim", axis, self.ndim()) {
            Ok(axis) => self.shape()[axis],
            Err(e) => panic!("{e}"),
        }
    }

    /// Type of the elements.
    pub fn dtype(&self) -> Dtype {
        self.spec().dtype
    }

    /// How many axes there are.
    pub fn ndim(&self) -> usize {
        self.shape().len()
    }

    /// How many elements there are.
    pub fn size(&self) -> usize {
        self.spec().size()
    }

    /// Bytes of the elements, not counting what a view shares or skips.
    pub fn nbytes(&self) -> usize {
        self.spec().bytes()
    }

    /// Whether the value is there: reading it will not wait.
    pub fn is_available(&self) -> bool {
        match (self.value(), Runtime::get()) {
            (Some(v), Ok(runtime)) => {
                v.written.is_none_or(|(queue, tick)| runtime.timelines().done(queue) >= tick)
            }
            _ => false,
        }
    }

    /// Computes the array and waits for it.
    ///
    /// # Errors
    /// When a device, memory, a kernel or reading a file fails.
    pub fn eval(&self) -> Result<()> {
        crate::eval(&[self])
    }

    /// The elements as bytes, row-major without gaps, computed if need be.
    ///
    /// # Errors
    /// When evaluation fails.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        self.eval()?;
        let is_contiguous = self.value().is_some_and(|v| v.layout.is_contiguous(self.shape()));
        let flat = if is_contiguous { self.clone() } else { self.contiguous() };
        flat.eval()?;
        let value = flat.value().ok_or_else(|| Error::new(ErrorKind::Device, "eval", "left no value"))?;
        let mut bytes = vec![0; self.nbytes()];
        let offset = value.layout.offset * self.dtype().size();
        value.device.get()?.read(&value.storage, offset, &mut bytes)?;
        Ok(bytes)
    }

    /// The elements, row-major, computed if need be. A bool array reads as `u8`.
    ///
    /// # Errors
    /// When `T` is not the array's type, or evaluation fails.
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>> {
        if T::DTYPE != self.dtype() && (T::DTYPE, self.dtype()) != (Dtype::Uint8, Dtype::Bool) {
            return Err(Error::dtype(
                "to_vec",
                format!("wanted {}, the array is {}", T::DTYPE, self.dtype()),
            ));
        }
        Ok(bytemuck::allocation::pod_collect_to_vec(&self.to_bytes()?))
    }

    /// The one element of an array of size 1, computed if need be.
    ///
    /// # Errors
    /// When the array has another size or type, or evaluation fails.
    pub fn item<T: Element>(&self) -> Result<T> {
        if self.size() != 1 {
            return Err(Error::shape("item", format!("wanted one element, shape is {:?}", self.shape())));
        }
        Ok(self.to_vec::<T>()?[0])
    }
}

impl fmt::Debug for Array {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.node.graph.lock().as_ref() {
            _ if self.value().is_some() => "computed",
            Some(graph) => graph.op.name(),
            None => "empty",
        };
        write!(f, "array({:?}, {}, {state})", self.shape(), self.dtype())
    }
}

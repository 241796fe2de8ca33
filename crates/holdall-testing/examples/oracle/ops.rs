//! Ops by the names that cases use.

use holdall::ops::{AttentionMask, Packing, Padding, RopeOptions};
use holdall::{Array, Dtype, Index, Operand, Result, random};
use serde_json::Value;

use crate::Outcome;

type Unary = fn(&Array) -> Result<Array>;
type Binary = fn(&Array, &Array) -> Result<Array>;

macro_rules! methods {
    ($($name:ident),*) => { &[$((stringify!($name), Array::$name)),*] };
}

macro_rules! binary_methods {
    ($($name:ident),*) => { &[$((stringify!($name), |a, b| a.$name(b))),*] };
}

const UNARY: &[(&str, Unary)] = methods!(
    exp,
    log,
    log2,
    log10,
    log1p,
    expm1,
    sqrt,
    rsqrt,
    reciprocal,
    square,
    negative,
    abs,
    sign,
    sin,
    cos,
    tan,
    arcsin,
    arccos,
    arctan,
    sinh,
    cosh,
    tanh,
    arcsinh,
    arccosh,
    arctanh,
    erf,
    erfinv,
    sigmoid,
    floor,
    ceil,
    trunc,
    logical_not,
    bitwise_invert,
    real,
    imag,
    conjugate
);

const BINARY: &[(&str, Binary)] = binary_methods!(
    add,
    subtract,
    multiply,
    divide,
    power,
    floor_divide,
    remainder,
    maximum,
    minimum,
    logaddexp,
    arctan2,
    equal,
    not_equal,
    less,
    less_equal,
    greater,
    greater_equal,
    logical_and,
    logical_or,
    bitwise_and,
    bitwise_or,
    bitwise_xor,
    left_shift,
    right_shift,
    matmul
);

/// Runs an op.
pub fn apply(op: &str, args: &Value, inputs: &[Array]) -> Outcome<Vec<Array>> {
    if let (Some((_, f)), [x]) = (UNARY.iter().find(|(name, _)| *name == op), inputs) {
        return Ok(vec![f(x)?]);
    }
    if let (Some((_, f)), [a, b]) = (BINARY.iter().find(|(name, _)| *name == op), inputs) {
        return Ok(vec![f(a, b)?]);
    }
    let args = Args(args);
    let many = match (op, inputs) {
        ("divmod", [a, b]) => {
            let (q, r) = a.divmod(b)?;
            vec![q, r]
        }
        ("split", [x]) => x.split(args.size("n")?, args.axis("axis")?)?,
        ("quantize", [x]) => {
            let (codes, scales, biases) = x.quantize(args.packing()?)?;
            vec![codes, scales, biases]
        }
        _ => match one(op, &args, inputs)? {
            Some(y) => vec![y],
            None => return Err(format!("no op {op} of {} arrays", inputs.len()).into()),
        },
    };
    Ok(many)
}

fn one(op: &str, args: &Args<'_>, inputs: &[Array]) -> Outcome<Option<Array>> {
    let y = match inputs {
        [] => match op {
            "arange" => arange(args)?,
            _ => return Ok(None),
        },
        [x] => match unary(op, args, x)? {
            Some(y) => y,
            None => return Ok(None),
        },
        [a, b] => match op {
            "take" => a.take(b, args.optional_axis("axis"))?,
            "take_along_axis" => a.take_along_axis(b, args.optional_axis("axis"))?,
            "concatenate" => Array::concatenate(&[a, b], Some(args.axis("axis")?))?,
            "stack" => Array::stack(&[a, b], args.axis("axis")?)?,
            "slice_update" => {
                a.slice_update(b, &args.list("start")?, &args.list("stop")?, &args.list("step")?)?
            }
            "rms_norm" => a.rms_norm(Some(b), args.float("eps")? as f32)?,
            "rope" => a.rope(args.rope()?, b)?,
            "conv1d" => {
                let (stride, padding) = (args.size("stride")?, args.size("padding")?);
                a.conv1d(b, stride, padding, args.size("dilation")?, args.size("groups")?)?
            }
            _ => return Ok(None),
        },
        [a, b, c] => match op {
            "where" => Array::select(a, b, c)?,
            "dequantize" => Array::dequantize(a, b, c, args.packing()?)?,
            "layer_norm" => a.layer_norm(Some(b), Some(c), args.float("eps")? as f32)?,
            "scatter_add" => a.scatter_add(&[b], c, &args.axes("axes")?.unwrap_or_default())?,
            "attention" => attention(args, a, b, c, None)?,
            _ => return Ok(None),
        },
        [a, b, c, d] => match op {
            "attention" => attention(args, a, b, c, Some(d))?,
            "quantized_matmul" => {
                a.quantized_matmul(b, c, d, args.0["transpose"] == true, args.packing()?)?
            }
            _ => return Ok(None),
        },
        _ => return Ok(None),
    };
    Ok(Some(y))
}

fn unary(op: &str, args: &Args<'_>, x: &Array) -> Outcome<Option<Array>> {
    let keepdims = args.0["keepdims"] == true;
    let axes = args.axes("axes")?;
    let axes = axes.as_deref();
    let first = axes.and_then(|axes| axes.first().copied());
    let axis = args.optional_axis("axis");
    let (reverse, inclusive) = (args.0["reverse"] == true, args.0["inclusive"] == true);
    let y = match op {
        "astype" => x.astype(crate::dtype(&args.0["dtype"])?),
        "clip" => {
            x.clip(Some(Operand::Int(args.integer("low")?)), Some(Operand::Int(args.integer("high")?)))?
        }
        "round" => x.round(args.axis("decimals")?)?,
        "sum" => x.sum(axes, keepdims)?,
        "prod" => x.prod(axes, keepdims)?,
        "max" => x.max(axes, keepdims)?,
        "min" => x.min(axes, keepdims)?,
        "all" => x.all(axes, keepdims)?,
        "any" => x.any(axes, keepdims)?,
        "mean" => x.mean(axes, keepdims)?,
        "var" => x.var(axes, keepdims, 0)?,
        "argmax" => x.argmax(first, keepdims)?,
        "argmin" => x.argmin(first, keepdims)?,
        "softmax" => x.softmax(axes, true)?,
        "logsumexp" => x.logsumexp(axes, keepdims)?,
        "sort" => x.sort(axis)?,
        "argsort" => x.argsort(axis)?,
        // MLX does not say in which order; sorted, it is one thing.
        "topk" => x.topk(args.size("k")?, axis)?.sort(axis)?,
        "cumsum" => x.cumsum(axis, reverse, inclusive)?,
        "cumprod" => x.cumprod(axis, reverse, inclusive)?,
        "cummax" => x.cummax(axis, reverse, inclusive)?,
        "cummin" => x.cummin(axis, reverse, inclusive)?,
        "repeat" => x.repeat(args.size("n")?, axis)?,
        "tile" => x.tile(&sizes(&args.0["counts"])?)?,
        "pad" => x.pad(&args.widths()?, &Padding::Constant(Operand::Int(0)))?,
        "roll" => x.roll(&[args.integer("shift")?], Some(&[args.axis("axis")?]))?,
        "transpose" => x.transpose(axes.unwrap_or_default())?,
        "reshape" => x.reshape(&args.axes("shape")?.unwrap_or_default())?,
        "slice" => x.index(&args.ranges()?[..])?,
        "tril" => x.tril(args.integer("k")?)?,
        "random_uniform" => random::uniform(0.0, 1.0, &sizes(&args.0["shape"])?, Dtype::Float32, Some(x))?,
        "random_normal" => random::normal(&sizes(&args.0["shape"])?, Dtype::Float32, None, None, Some(x))?,
        "random_bits" => {
            random::randint(0, args.integer("high")?, &sizes(&args.0["shape"])?, Dtype::Int32, Some(x))?
        }
        "random_split" => random::split(x, args.size("n")?)?,
        _ => return Ok(None),
    };
    Ok(Some(y))
}

fn arange(args: &Args<'_>) -> Outcome<Array> {
    let number = |name: &str| {
        let value = &args.0[name];
        value.as_i64().map(Operand::Int).or_else(|| value.as_f64().map(Operand::Float)).ok_or("not a number")
    };
    Ok(Array::arange(number("start")?, number("stop")?, number("step")?, None)?)
}

fn attention(args: &Args<'_>, q: &Array, k: &Array, v: &Array, mask: Option<&Array>) -> Outcome<Array> {
    let mask = match (args.0["mask"].as_str(), mask) {
        (_, Some(mask)) => AttentionMask::Array(mask),
        (Some("causal"), None) => AttentionMask::Causal,
        _ => AttentionMask::None,
    };
    Ok(Array::scaled_dot_product_attention(q, k, v, args.float("scale")? as f32, mask, None)?)
}

/// Sizes of axes.
pub fn sizes(value: &Value) -> Outcome<Vec<usize>> {
    let list = value.as_array().ok_or("wanted a list of sizes")?;
    list.iter().map(|n| Ok(usize::try_from(n.as_u64().ok_or("a size is no number")?)?)).collect()
}

/// The arguments of a case.
struct Args<'a>(&'a Value);

impl Args<'_> {
    fn integer(&self, name: &str) -> Outcome<i64> {
        self.0[name].as_i64().ok_or_else(|| format!("argument {name} is no integer").into())
    }

    fn size(&self, name: &str) -> Outcome<usize> {
        Ok(usize::try_from(self.integer(name)?)?)
    }

    fn axis(&self, name: &str) -> Outcome<i32> {
        Ok(i32::try_from(self.integer(name)?)?)
    }

    fn optional_axis(&self, name: &str) -> Option<i32> {
        self.0[name].as_i64().and_then(|n| i32::try_from(n).ok())
    }

    fn float(&self, name: &str) -> Outcome<f64> {
        self.0[name].as_f64().ok_or_else(|| format!("argument {name} is no number").into())
    }

    fn list(&self, name: &str) -> Outcome<Vec<i64>> {
        let list = self.0[name].as_array().ok_or_else(|| format!("argument {name} is no list"))?;
        list.iter().map(|n| n.as_i64().ok_or_else(|| format!("{name} holds no integers").into())).collect()
    }

    fn axes(&self, name: &str) -> Outcome<Option<Vec<i32>>> {
        if self.0[name].is_null() {
            return Ok(None);
        }
        let list = self.list(name)?;
        Ok(Some(list.into_iter().map(i32::try_from).collect::<std::result::Result<_, _>>()?))
    }

    fn widths(&self) -> Outcome<Vec<(usize, usize)>> {
        let list = self.0["widths"].as_array().ok_or("argument widths is no list")?;
        list.iter()
            .map(|pair| match sizes(pair)?[..] {
                [before, after] => Ok((before, after)),
                _ => Err("a width is no pair".into()),
            })
            .collect()
    }

    fn ranges(&self) -> Outcome<Vec<Index>> {
        let (start, stop, step) = (self.list("start")?, self.list("stop")?, self.list("step")?);
        let ranges = start.iter().zip(&stop).zip(&step);
        Ok(ranges
            .map(|((start, stop), step)| Index::Range { start: Some(*start), stop: Some(*stop), step: *step })
            .collect())
    }

    fn packing(&self) -> Outcome<Packing> {
        Ok(Packing { group_size: self.size("group_size")?, bits: self.size("bits")? })
    }

    fn rope(&self) -> Outcome<RopeOptions<'static>> {
        Ok(RopeOptions {
            dims: self.size("dims")?,
            traditional: self.0["traditional"] == true,
            base: Some(self.float("base")?),
            scale: self.float("scale")?,
            periods: None,
        })
    }
}

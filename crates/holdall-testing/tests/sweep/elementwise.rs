//! Every row of the table in every type and layout.

use holdall::pointwise::{Class, Row, TABLE};
use holdall::{Array, Dtype, ErrorKind};
use holdall_testing::random::Random;
use holdall_testing::tolerance;

use super::number::Number::{self, Complex, Int, Real};
use super::number::{LAYOUTS, Lies, decode, draw, lay, round};
use super::reference::outputs;

/// More elements than a kernel takes at once.
const SHAPE: (usize, usize) = (5, 211);

/// An element as an op of compute type `to` gets it.
fn converted(x: Number, to: Dtype) -> Number {
    match x {
        _ if to == Dtype::Bool => Int(x.is_true().into()),
        Int(i) if to == Dtype::Complex64 => Complex((i as f64).into()),
        Int(i) if to.is_floating() => Real(round(f64::from(i as f32), to)),
        other => other,
    }
}

fn is_near(name: &str, dtype: Dtype, got: Number, want: Number) -> bool {
    match (got, want) {
        (Int(a), Int(b)) => a == b,
        (Real(a), Real(b)) => tolerance::accepts(name, dtype, a, b),
        (Complex(a), Complex(b)) => (a - b).norm() <= tolerance::complex(name, b.norm()),
        _ => false,
    }
}

struct Case<'a> {
    row: &'static Row,
    compute: Dtype,
    output: Dtype,
    label: &'a dyn std::fmt::Debug,
}

impl Case<'_> {
    /// Compares an op of these operands, given with their elements after broadcasting.
    fn check(&self, operands: &[(Array, Vec<Number>)]) -> Result<(), String> {
        let arrays: Vec<&Array> = operands.iter().map(|o| &o.0).collect();
        let got = Array::elementwise(self.row, &arrays).unwrap();
        let skip = usize::from(self.row.class == Class::Select);
        let elements: Vec<Vec<Number>> = got.iter().map(decode).collect();
        for (y, elements) in got.iter().zip(&elements) {
            assert_eq!((y.dtype(), elements.len()), (self.output, operands[0].1.len()), "{:?}", self.label);
        }
        for k in 0..operands[0].1.len() {
            let x: Vec<Number> = operands
                .iter()
                .enumerate()
                .map(|(i, o)| converted(o.1[k], if i < skip { Dtype::Bool } else { self.compute }))
                .collect();
            for (want, elements) in outputs(self.row.name, self.compute, &x).into_iter().zip(&elements) {
                let got = elements[k];
                if !is_near(self.row.name, self.output, got, want) {
                    return Err(format!(
                        "{} {:?} of {x:?}: got {got:?}, wanted {want:?}",
                        self.row.name, self.label
                    ));
                }
            }
        }
        Ok(())
    }
}

#[test]
fn rows_agree_with_plain_code_in_every_type_and_layout() {
    let random = &mut Random::new(31);
    let (mut cases, mut refused, mut wrong) = (0, 0, Vec::new());
    for row in TABLE {
        for dtype in Dtype::ALL {
            let mut operand = |i: usize, lies| {
                let of = if i == 0 && row.class == Class::Select { Dtype::Bool } else { dtype };
                let all: Vec<Number> = (0..SHAPE.0 * SHAPE.1).map(|_| draw(random, of, row.domain)).collect();
                lay(&all, SHAPE, of, lies)
            };
            let arity = usize::from(row.arity);
            let Ok((compute, output)) = row.types(dtype) else {
                let x: Vec<Array> = (0..arity).map(|i| operand(i, Lies::Plain).0).collect();
                let error = Array::elementwise(row, &x.iter().collect::<Vec<_>>()).unwrap_err();
                assert_eq!((error.kind(), error.op()), (ErrorKind::Dtype, row.name), "{dtype}");
                assert!(error.to_string().contains(&format!("got {dtype}")), "{error}");
                refused += 1;
                continue;
            };
            for (n, lies) in LAYOUTS.into_iter().enumerate() {
                // The first operand of several has all elements every other time.
                let mut layouts = vec![lies];
                layouts.extend((1..arity).map(|i| LAYOUTS[(n * 3 + i * 5) % LAYOUTS.len()]));
                if !layouts.iter().any(|l| {
                    matches!(
                        l,
                        Lies::Plain | Lies::Transposed | Lies::Stepped | Lies::Reversed | Lies::Repeated
                    )
                }) && arity > 1
                {
                    layouts[0] = Lies::Transposed;
                }
                let mut operands: Vec<(Array, Vec<Number>)> =
                    layouts.iter().enumerate().map(|(i, l)| operand(i, *l)).collect();
                if arity == 1 {
                    // No other operand broadcasts it.
                    let size = operands[0].0.size();
                    operands[0].1.truncate(size);
                    if lies == Lies::Column {
                        operands[0].1 = decode(&operands[0].0);
                    }
                }
                let case = Case { row, compute, output, label: &(dtype, &layouts) };
                wrong.extend(case.check(&operands).err());
                cases += 1;
            }
            // No dimensions, and no elements.
            let scalars: Vec<(Array, Vec<Number>)> = (0..arity)
                .map(|i| {
                    let (x, mut all) = operand(i, Lies::Scalar);
                    all.truncate(1);
                    (x, all)
                })
                .collect();
            let case = Case { row, compute, output, label: &(dtype, "0-d") };
            wrong.extend(case.check(&scalars).err());
            let nothing: Vec<(Array, Vec<Number>)> =
                scalars.iter().map(|(x, _)| (x.broadcast_to(&[3, 0]).unwrap(), vec![])).collect();
            let case = Case { row, compute, output, label: &(dtype, "empty") };
            wrong.extend(case.check(&nothing).err());
            cases += 2;
        }
    }
    assert!(wrong.is_empty(), "{} of {cases} cases:\n{}", wrong.len(), wrong.join("\n"));
    assert!(cases > 6000 && refused > 100, "{cases} cases, {refused} refused");
}

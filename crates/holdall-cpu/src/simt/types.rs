//! Types of operands.

use holdall_msl::Scalar;
use holdall_msl::ir::{Integer, Math, OpKind};

/// The types of a pure operation's operands, as far as it has any.
pub fn operands(kind: OpKind) -> [Scalar; 4] {
    match kind {
        OpKind::Select(ty) => [Scalar::Bool, ty, ty, ty],
        OpKind::Convert { from, .. } | OpKind::Bitcast { from, .. } => [from; 4],
        OpKind::Math(Math::Ldexp, _, ty) => [ty, Scalar::I32, ty, ty],
        OpKind::Integer(Integer::ExtractBits, ty) => [ty, Scalar::U32, Scalar::U32, ty],
        OpKind::Integer(Integer::InsertBits, ty) => [ty, ty, Scalar::U32, Scalar::U32],
        OpKind::Copy(ty)
        | OpKind::Unary(_, ty)
        | OpKind::Binary(_, ty)
        | OpKind::Compare(_, ty)
        | OpKind::Math(_, _, ty)
        | OpKind::Test(_, ty)
        | OpKind::Integer(_, ty) => [ty; 4],
        _ => [Scalar::U32; 4],
    }
}

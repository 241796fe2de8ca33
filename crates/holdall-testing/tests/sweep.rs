//! The sweep: every op of the elementwise table by type and layout, and every derivative against differences.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::cloned_ref_to_slice_refs, reason = "lists of inputs read alike, of one or more")]

mod sweep {
    mod attention;
    mod chains;
    mod derivatives;
    mod dtypes;
    mod elementwise;
    mod number;
    mod reference;
    mod structured;
    mod support;
    mod transforms;
}

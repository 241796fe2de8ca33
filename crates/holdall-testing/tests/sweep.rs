//! The sweep: every op of the elementwise table by type and layout, and every derivative against differences.

mod sweep {
    mod chains;
    mod derivatives;
    mod structured;
    mod support;
    mod transforms;
}

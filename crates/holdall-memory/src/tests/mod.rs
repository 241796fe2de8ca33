//! Tests of the protocol without loom.

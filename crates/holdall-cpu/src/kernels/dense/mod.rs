//! Matrix products and attention over plain floats.

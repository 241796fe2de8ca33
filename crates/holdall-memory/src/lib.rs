//! The memory protocol: timelines, stamped blocks, the pool and the retire list.

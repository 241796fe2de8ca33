// Matrix products over any strides: tiles in threadgroup memory, and a SIMD group for each element where there are few rows.

// Accumulates 2x2 elements a thread of tiles of 32x32, 16 deep.
constant constexpr int TILE = 32;
constant constexpr int DEPTH = 16;

// sizes: rows, columns, depth. a_strides, b_strides: row, column. first: where the first elements are.
template <typename T, typename A, int R>
[[kernel]] void matmul_tiled(
    const device T* a,
    const device T* b,
    device T* y,
    const constant uint sizes[3],
    const constant long a_strides[2],
    const constant long b_strides[2],
    const constant long first[2],
    const constant ulong batch[R],
    const constant long a_batch[R],
    const constant long b_batch[R]) {
  threadgroup A left[TILE * DEPTH];
  threadgroup A right[DEPTH * TILE];
  uint rows = sizes[0];
  uint columns = sizes[1];
  uint depth = sizes[2];
  uint thread_index = thread_index_in_threadgroup;
  uint row = threadgroup_position_in_grid.y * TILE;
  uint column = threadgroup_position_in_grid.x * TILE;
  ulong matrix = threadgroup_position_in_grid.z;
  const device T* from_a = a + first[0] + holdall_place<R>(matrix, batch, a_batch);
  const device T* from_b = b + first[1] + holdall_place<R>(matrix, batch, b_batch);
  uint ty = thread_index / 16;
  uint tx = thread_index % 16;
  A sums[4] = {A(0), A(0), A(0), A(0)};
  for (uint k = 0; k < depth; k += DEPTH) {
    for (uint i = thread_index; i < TILE * DEPTH; i += 256) {
      // Neighbouring threads read what lies together, whichever way the matrix lies.
      bool by_row = a_strides[1] == 1;
      uint r = by_row ? i / DEPTH : i % TILE;
      uint c = by_row ? i % DEPTH : i / TILE;
      bool inside = row + r < rows && k + c < depth;
      left[r * DEPTH + c] =
          inside ? A(from_a[long(row + r) * a_strides[0] + long(k + c) * a_strides[1]]) : A(0);
      by_row = b_strides[1] == 1;
      r = by_row ? i / TILE : i % DEPTH;
      c = by_row ? i % TILE : i / DEPTH;
      inside = k + r < depth && column + c < columns;
      right[r * TILE + c] =
          inside ? A(from_b[long(k + r) * b_strides[0] + long(column + c) * b_strides[1]]) : A(0);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    for (int d = 0; d < DEPTH; ++d) {
      A a0 = left[ty * DEPTH + d];
      A a1 = left[(ty + 16) * DEPTH + d];
      A b0 = right[d * TILE + tx];
      A b1 = right[d * TILE + tx + 16];
      sums[0] = sums[0] + a0 * b0;
      sums[1] = sums[1] + a0 * b1;
      sums[2] = sums[2] + a1 * b0;
      sums[3] = sums[3] + a1 * b1;
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
  device T* to = y + matrix * rows * columns;
  for (uint i = 0; i < 4; ++i) {
    uint r = row + ty + (i / 2) * 16;
    uint c = column + tx + (i % 2) * 16;
    if (r < rows && c < columns) {
      to[ulong(r) * columns + c] = T(sums[i]);
    }
  }
}

// A SIMD group for each element; four of them in a group.
template <typename T, int R>
[[kernel]] void matmul_dot(
    const device T* a,
    const device T* b,
    device T* y,
    const constant uint sizes[3],
    const constant long a_strides[2],
    const constant long b_strides[2],
    const constant long first[2],
    const constant ulong batch[R],
    const constant long a_batch[R],
    const constant long b_batch[R]) {
  uint rows = sizes[0];
  uint columns = sizes[1];
  uint depth = sizes[2];
  uint column = threadgroup_position_in_grid.x * 4 + simdgroup_index_in_threadgroup;
  uint row = threadgroup_position_in_grid.y;
  ulong matrix = threadgroup_position_in_grid.z;
  if (column >= columns) return;
  const device T* from_a = a + first[0] + holdall_place<R>(matrix, batch, a_batch) + long(row) * a_strides[0];
  const device T* from_b = b + first[1] + holdall_place<R>(matrix, batch, b_batch) + long(column) * b_strides[1];
  float sum = 0;
  for (uint k = thread_index_in_simdgroup; k < depth; k += 32) {
    sum += float(from_a[long(k) * a_strides[1]]) * float(from_b[long(k) * b_strides[0]]);
  }
  sum = simd_sum(sum);
  if (thread_index_in_simdgroup == 0) {
    y[(matrix * rows + row) * columns + column] = T(sum);
  }
}

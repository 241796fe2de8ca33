// Cross-correlation along one axis, in float32: a thread for each output, and tiles of outputs where a group has many channels.
//
// sizes: entries of the batch, rows of x, rows of y, channels of y, taps, channels of x in a group, channels of y in a group.
// steps: rows of x between rows of y, rows of zeros before x, rows of x between taps. x_strides: entry, row, channel; w_strides: channel
// of y, tap, channel of x; both then where the first element is.

// A tile has 32 rows and 32 channels; what is summed up is read 16 at a time.
constant constexpr int TILE = 32;
constant constexpr int DEPTH = 16;

// The row of x under a tap, negative or too large where there is none.
inline long row_under(ulong row, ulong tap, const constant uint* steps) {
  return long(row * steps[0] + tap * steps[2]) - long(steps[1]);
}

template <typename T>
[[kernel]] void conv1d_each(
    const device T* x,
    const device T* w,
    device T* y,
    const constant uint sizes[7],
    const constant uint steps[3],
    const constant long x_strides[4],
    const constant long w_strides[4]) {
  ulong i = holdall_index<ulong>(thread_position_in_grid);
  uint out_channels = sizes[3];
  if (i >= ulong(sizes[0]) * sizes[2] * out_channels) return;
  uint channel = uint(i % out_channels);
  ulong row = i / out_channels % sizes[2];
  ulong entry = i / out_channels / sizes[2];
  long from = x_strides[3] + long(entry) * x_strides[0] + long(channel / sizes[6] * sizes[5]) * x_strides[2];
  long weights = w_strides[3] + long(channel) * w_strides[0];
  float sum = 0.0f;
  for (uint tap = 0; tap < sizes[4]; ++tap) {
    long at = row_under(row, tap, steps);
    if (at < 0 || at >= long(sizes[1])) continue;
    for (uint c = 0; c < sizes[5]; ++c) {
      float value = float(x[from + at * x_strides[1] + long(c) * x_strides[2]]);
      sum += value * float(w[weights + long(tap) * w_strides[1] + long(c) * w_strides[2]]);
    }
  }
  y[i] = T(sum);
}

// 16x16 threads, 2x2 outputs each. The product of rows x (tap, channel) and (tap, channel) x channels of y, for each entry and group.
template <typename T>
[[kernel]] void conv1d_tiled(
    const device T* x,
    const device T* w,
    device T* y,
    const constant uint sizes[7],
    const constant uint steps[3],
    const constant long x_strides[4],
    const constant long w_strides[4]) {
  threadgroup float left[TILE * (DEPTH + 1)];
  threadgroup float right[TILE * (DEPTH + 1)];
  uint rows = sizes[2];
  uint in_group = sizes[5];
  uint columns = sizes[6];
  uint depth = sizes[4] * in_group;
  uint groups = sizes[3] / columns;
  uint row_tiles = (rows + TILE - 1) / TILE;
  uint column_tiles = (columns + TILE - 1) / TILE;
  ulong tile = holdall_group<ulong>(threadgroup_position_in_grid);
  if (tile >= ulong(sizes[0]) * groups * row_tiles * column_tiles) return;
  uint column = uint(tile % column_tiles) * TILE;
  tile /= column_tiles;
  uint row = uint(tile % row_tiles) * TILE;
  tile /= row_tiles;
  uint which = uint(tile % groups);
  ulong entry = tile / groups;
  long from = x_strides[3] + long(entry) * x_strides[0] + long(which * in_group) * x_strides[2];
  uint lane = thread_index_in_threadgroup;
  uint ty = lane / 16;
  uint tx = lane % 16;
  float sums[4] = {0.0f, 0.0f, 0.0f, 0.0f};
  for (uint k = 0; k < depth; k += DEPTH) {
    for (uint i = lane; i < TILE * DEPTH; i += 256) {
      uint r = i / DEPTH;
      uint d = k + i % DEPTH;
      uint tap = d / in_group;
      uint c = d % in_group;
      long at = row_under(row + r, tap, steps);
      bool inside = d < depth && row + r < rows && at >= 0 && at < long(sizes[1]);
      float value = 0.0f;
      if (inside) {
        value = float(x[from + at * x_strides[1] + long(c) * x_strides[2]]);
      }
      left[r * (DEPTH + 1) + i % DEPTH] = value;
      value = 0.0f;
      if (d < depth && column + r < columns) {
        long channel = long(which * columns + column + r);
        value = float(w[w_strides[3] + channel * w_strides[0] + long(tap) * w_strides[1] + long(c) * w_strides[2]]);
      }
      right[r * (DEPTH + 1) + i % DEPTH] = value;
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    for (int d = 0; d < DEPTH; ++d) {
      float a0 = left[ty * (DEPTH + 1) + d];
      float a1 = left[(ty + 16) * (DEPTH + 1) + d];
      float b0 = right[tx * (DEPTH + 1) + d];
      float b1 = right[(tx + 16) * (DEPTH + 1) + d];
      sums[0] += a0 * b0;
      sums[1] += a0 * b1;
      sums[2] += a1 * b0;
      sums[3] += a1 * b1;
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
  for (uint i = 0; i < 4; ++i) {
    uint r = row + ty + (i / 2) * 16;
    uint c = column + tx + (i % 2) * 16;
    if (r < rows && c < columns) {
      y[(entry * rows + r) * sizes[3] + which * columns + c] = T(sums[i]);
    }
  }
}

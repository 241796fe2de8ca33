// Affine quantized weights: codes of a few bits, with a scale and a bias for each group of a row. A row of codes is one bit
// stream, lowest bits first; 32 codes take as many words as a code has bits.

// The code at index j of a row.
template <int BITS>
inline uint code_at(const device uint* row, ulong j) {
  ulong bit = j * BITS;
  ulong word = bit / 32;
  uint shift = uint(bit % 32);
  uint code = row[word] >> shift;
  if (32 % BITS != 0 && shift + BITS > 32) {
    code |= row[word + 1] << (32 - shift);
  }
  return code & ((1u << BITS) - 1);
}

// Floats from codes: a thread for each.
template <typename S, int BITS, int G>
[[kernel]] void dequantize(
    const device uint* w,
    const device S* scales,
    const device S* biases,
    device S* y,
    const constant ulong& size,
    const constant uint& length) {
  ulong i = holdall_index<ulong>(thread_position_in_grid);
  if (i >= size) return;
  ulong row = i / length;
  ulong words = ulong(length) / 32 * BITS;
  float code = float(code_at<BITS>(w + row * words, i % length));
  y[i] = S(code * float(scales[i / G]) + float(biases[i / G]));
}

// Codes, scales and biases: a SIMD group for each group of weights, with G / 32 weights a lane.
template <typename T, int BITS, int G>
[[kernel]] void quantize(
    const device T* x, device uint* w, device T* scales, device T* biases, const constant ulong& count) {
  constexpr int EACH = G / 32;
  threadgroup uint codes[4 * G];
  ulong group = holdall_group<ulong>(threadgroup_position_in_grid) * 4 + simdgroup_index_in_threadgroup;
  bool is_mine = group < count;
  uint lane = thread_index_in_simdgroup;
  float value[EACH];
  float least = INFINITY;
  float most = -INFINITY;
  for (int i = 0; i < EACH; ++i) {
    value[i] = is_mine ? float(x[group * G + lane * EACH + i]) : 0.0f;
    least = value[i] < least ? value[i] : least;
    most = value[i] > most ? value[i] : most;
  }
  least = simd_min(least);
  most = simd_max(most);
  float n = float((1u << BITS) - 1);
  float scale = metal::fmax((most - least) / n, 1e-7f);
  bool is_low = metal::fabs(least) > metal::fabs(most);
  scale = is_low ? scale : -scale;
  float end = is_low ? least : most;
  float steps = metal::rint(end / scale);
  float bias = steps == 0.0f ? 0.0f : end;
  scale = steps == 0.0f ? scale : end / steps;
  threadgroup uint* mine = codes + simdgroup_index_in_threadgroup * G;
  for (int i = 0; i < EACH; ++i) {
    float code = metal::rint((value[i] - bias) / scale);
    mine[lane * EACH + i] = uint(code > 0.0f ? (code > n ? n : code) : 0.0f);
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  if (is_mine) {
    for (uint word = lane; word < G / 32 * BITS; word += 32) {
      // The codes that have bits in this word.
      uint first = word * 32 / BITS;
      uint last = (word * 32 + 31) / BITS;
      uint bits = 0;
      for (uint j = first; j <= last; ++j) {
        int shift = int(j * BITS) - int(word * 32);
        bits |= shift >= 0 ? mine[j] << shift : mine[j] >> -shift;
      }
      w[group * (G / 32 * BITS) + word] = bits;
    }
    if (lane == 0) {
      scales[group] = T(scale);
      biases[group] = T(bias);
    }
  }
}

// Products with rows of codes, for few rows of x: a SIMD group for each output, four of them in a group; every lane takes 32 codes
// at a time. sizes: rows of x, outputs, inputs. Axes of the batch have strides in elements of x, words of w, and scales.
template <typename T, typename S, typename O, int BITS, int G, int R>
[[kernel]] void quantized_dot(
    const device T* x,
    const device uint* w,
    const device S* scales,
    const device S* biases,
    device O* y,
    const constant uint sizes[3],
    const constant ulong batch[R],
    const constant long x_batch[R],
    const constant long w_batch[R],
    const constant long s_batch[R]) {
  uint outputs = sizes[1];
  uint length = sizes[2];
  uint output = threadgroup_position_in_grid.x * 4 + simdgroup_index_in_threadgroup;
  uint row = threadgroup_position_in_grid.y;
  ulong matrix = threadgroup_position_in_grid.z;
  if (output >= outputs) return;
  uint chunks = length / 32;
  const device T* from = x + holdall_place<R>(matrix, batch, x_batch) + ulong(row) * length;
  const device uint* codes = w + holdall_place<R>(matrix, batch, w_batch) + ulong(output) * (chunks * BITS);
  long group = holdall_place<R>(matrix, batch, s_batch) + long(output) * (length / G);
  float sum = 0;
  for (uint chunk = thread_index_in_simdgroup; chunk < chunks; chunk += 32) {
    uint words[BITS];
    for (int i = 0; i < BITS; ++i) {
      words[i] = codes[chunk * BITS + i];
    }
    float products = 0;
    float total = 0;
    for (int j = 0; j < 32; ++j) {
      uint code = words[j * BITS / 32] >> (j * BITS % 32);
      if (j * BITS % 32 + BITS > 32) {
        code |= words[(j * BITS / 32 + 1) % BITS] << (32 - j * BITS % 32);
      }
      float value = float(from[chunk * 32 + j]);
      products += value * float(code & ((1u << BITS) - 1));
      total += value;
    }
    long at = group + long(chunk * 32 / G);
    sum += products * float(scales[at]) + total * float(biases[at]);
  }
  sum = simd_sum(sum);
  if (thread_index_in_simdgroup == 0) {
    y[(matrix * sizes[0] + row) * outputs + output] = O(sum);
  }
}

// The same for many rows, and for weights whose rows are inputs: tiles of 32x32 in threadgroup memory, 32 deep; 2x2 elements a thread.
template <typename T, typename S, typename O, int BITS, int G, bool TRANSPOSED, int R>
[[kernel]] void quantized_tiled(
    const device T* x,
    const device uint* w,
    const device S* scales,
    const device S* biases,
    device O* y,
    const constant uint sizes[3],
    const constant ulong batch[R],
    const constant long x_batch[R],
    const constant long w_batch[R],
    const constant long s_batch[R]) {
  constexpr uint TILE = 32;
  threadgroup float left[TILE * TILE];
  threadgroup float right[TILE * TILE];
  uint rows = sizes[0];
  uint outputs = sizes[1];
  uint length = sizes[2];
  // Elements of a row of codes.
  uint columns = TRANSPOSED ? length : outputs;
  uint row = threadgroup_position_in_grid.y * TILE;
  uint output = threadgroup_position_in_grid.x * TILE;
  ulong matrix = threadgroup_position_in_grid.z;
  const device T* from = x + holdall_place<R>(matrix, batch, x_batch);
  const device uint* codes = w + holdall_place<R>(matrix, batch, w_batch);
  long groups = holdall_place<R>(matrix, batch, s_batch);
  uint thread_index = thread_index_in_threadgroup;
  uint ty = thread_index / 16;
  uint tx = thread_index % 16;
  float sums[4] = {0, 0, 0, 0};
  for (uint k = 0; k < length; k += TILE) {
    for (uint i = thread_index; i < TILE * TILE; i += 256) {
      uint r = i / TILE;
      uint c = i % TILE;
      bool inside = row + r < rows && k + c < length;
      left[i] = inside ? float(from[ulong(row + r) * length + k + c]) : 0.0f;
      // right: inputs down, outputs across. Neighbouring threads read codes that lie together.
      uint code_row = TRANSPOSED ? output + r : k + r;
      uint code_column = TRANSPOSED ? k + c : output + c;
      float value = 0;
      if (code_row < (TRANSPOSED ? outputs : length) && code_column < columns) {
        ulong words = ulong(columns) / 32 * BITS;
        float code = float(code_at<BITS>(codes + code_row * words, code_column));
        long at = groups + long(code_row) * (columns / G) + code_column / G;
        value = code * float(scales[at]) + float(biases[at]);
      }
      right[TRANSPOSED ? c * TILE + r : i] = value;
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    for (uint d = 0; d < TILE; ++d) {
      float a0 = left[ty * TILE + d];
      float a1 = left[(ty + 16) * TILE + d];
      float b0 = right[d * TILE + tx];
      float b1 = right[d * TILE + tx + 16];
      sums[0] += a0 * b0;
      sums[1] += a0 * b1;
      sums[2] += a1 * b0;
      sums[3] += a1 * b1;
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
  device O* to = y + matrix * rows * outputs;
  for (uint i = 0; i < 4; ++i) {
    uint r = row + ty + (i / 2) * 16;
    uint c = output + tx + (i % 2) * 16;
    if (r < rows && c < outputs) {
      to[ulong(r) * outputs + c] = O(sums[i]);
    }
  }
}

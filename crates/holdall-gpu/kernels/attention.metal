// Attention: softmax(scale q kT + mask) v in float32, by the online softmax of FlashAttention (Dao et al. 2022). The query heads that
// share a key head are stacked: their rows, (head, position), go through its keys together.
//
// sizes: entries of the batch, query heads, of these that share a key head, queries, keys, features of keys, features of values.
// Strides: batch, head, row, feature, then where the first element is; of the mask: batch, head, query, key, the same.

constant constexpr int NO_MASK = 0;
constant constexpr int CAUSAL = 1;
constant constexpr int BOOL_MASK = 2;
constant constexpr int ADDED_MASK = 3;

// Threads of a SIMD group; also keys, and features, of a tile.
constant constexpr int WIDTH = 32;
// SIMD groups of a tile, and rows of each.
constant constexpr int TILE_SIMDS = 4;
constant constexpr int TILE_ROWS = 8;
// SIMD groups that share the keys of few rows.
constant constexpr int SHARES = 8;

// A score behind the mask. What is hidden has a finite score, so that a row that sees nothing gets the average.
template <int MASK, typename M>
inline float masked(float score, const device M* mask, long at, bool is_seen) {
  if constexpr (MASK == CAUSAL) {
    return is_seen ? score : -FLT_MAX;
  } else if constexpr (MASK == BOOL_MASK) {
    return mask[at] ? score : -FLT_MAX;
  } else if constexpr (MASK == ADDED_MASK) {
    return score + float(mask[at]);
  } else {
    return score;
  }
}

// What exponents are relative to: nothing where all scores are infinitely low.
inline float base_of(float top) { return top == -INFINITY ? 0.0f : top; }

// Keys up to which one of the positions up to `last` sees any.
template <int MASK>
inline uint keys_seen(uint last, uint queries, uint keys) {
  return MASK == CAUSAL && keys >= queries ? last + 1 + keys - queries : keys;
}

// Where the output of a row begins: positions lie before heads.
inline ulong row_of(ulong entry, uint head, uint position, const constant uint* sizes) {
  return ((entry * sizes[3] + position) * sizes[1] + head) * sizes[6];
}

// Tiles of 32 rows and 32 keys; a thread has the scores of one key for 8 rows, then features of the output. VL: features of values
// over 32.
template <typename T, typename M, int MASK, bool HAS_SINKS, int VL>
[[kernel]] void attention_tile(
    const device T* q,
    const device T* k,
    const device T* v,
    const device M* mask,
    const device T* sinks,
    device T* y,
    const constant uint sizes[7],
    const constant float& scale,
    const constant long q_strides[5],
    const constant long k_strides[5],
    const constant long v_strides[5],
    const constant long mask_strides[5],
    const constant long sink_strides[2]) {
  threadgroup float query_tile[TILE_SIMDS * TILE_ROWS * WIDTH];
  // A row more than there are banks.
  threadgroup float key_tile[WIDTH * (WIDTH + 1)];
  uint shared = sizes[2];
  uint queries = sizes[3];
  uint keys = sizes[4];
  uint dim = sizes[5];
  uint value_dim = sizes[6];
  uint rows = shared * queries;
  uint blocks = (rows + TILE_SIMDS * TILE_ROWS - 1) / (TILE_SIMDS * TILE_ROWS);
  uint key_heads = sizes[1] / shared;
  uint group = holdall_group<uint>(threadgroup_position_in_grid);
  if (group >= sizes[0] * key_heads * blocks) return;
  uint first_row = group % blocks * (TILE_SIMDS * TILE_ROWS);
  uint key_head = group / blocks % key_heads;
  uint entry = group / blocks / key_heads;
  uint lane = thread_index_in_simdgroup;
  uint mine = simdgroup_index_in_threadgroup * TILE_ROWS;
  const device T* from_q = q + q_strides[4] + long(entry) * q_strides[0];
  const device T* from_k = k + k_strides[4] + long(entry) * k_strides[0] + long(key_head) * k_strides[1];
  const device T* from_v = v + v_strides[4] + long(entry) * v_strides[0] + long(key_head) * v_strides[1];

  float tops[TILE_ROWS];
  float sums[TILE_ROWS];
  float out[TILE_ROWS * VL];
  for (int r = 0; r < TILE_ROWS; ++r) {
    tops[r] = -INFINITY;
    sums[r] = 0.0f;
    uint row = first_row + mine + r;
    if (HAS_SINKS && row < rows) {
      tops[r] = float(sinks[sink_strides[1] + long(key_head * shared + row / queries) * sink_strides[0]]);
      sums[r] = 1.0f;
    }
    for (int i = 0; i < VL; ++i) {
      out[r * VL + i] = 0.0f;
    }
  }

  uint last_row = metal::min(first_row + TILE_SIMDS * TILE_ROWS, rows) - 1;
  bool is_one_head = first_row / queries == last_row / queries;
  uint end = keys_seen<MASK>(is_one_head ? last_row % queries : queries - 1, queries, keys);
  for (uint begin = 0; begin < end; begin += WIDTH) {
    uint key = begin + lane;
    float scores[TILE_ROWS];
    for (int r = 0; r < TILE_ROWS; ++r) {
      scores[r] = 0.0f;
    }
    for (uint feature = 0; feature < dim; feature += WIDTH) {
      // The tiles before are read no more.
      threadgroup_barrier(mem_flags::mem_threadgroup);
      for (uint i = thread_index_in_threadgroup; i < WIDTH * WIDTH; i += TILE_SIMDS * WIDTH) {
        uint at = i / WIDTH;
        uint d = feature + i % WIDTH;
        uint row = first_row + at;
        float value = 0.0f;
        if (row < rows && d < dim) {
          long place = long(key_head * shared + row / queries) * q_strides[1] + long(row % queries) * q_strides[2];
          value = float(from_q[place + long(d) * q_strides[3]]) * scale;
        }
        query_tile[i] = value;
        value = 0.0f;
        if (begin + at < end && d < dim) {
          value = float(from_k[long(begin + at) * k_strides[2] + long(d) * k_strides[3]]);
        }
        key_tile[at * (WIDTH + 1) + i % WIDTH] = value;
      }
      threadgroup_barrier(mem_flags::mem_threadgroup);
      for (int d = 0; d < WIDTH; ++d) {
        float x = key_tile[lane * (WIDTH + 1) + d];
        for (int r = 0; r < TILE_ROWS; ++r) {
          scores[r] = metal::fma(query_tile[(mine + r) * WIDTH + d], x, scores[r]);
        }
      }
    }
    for (int r = 0; r < TILE_ROWS; ++r) {
      uint row = first_row + mine + r;
      float score = -INFINITY;
      if (key < end && row < rows) {
        uint position = row % queries;
        long at = mask_strides[4] + long(entry) * mask_strides[0];
        at += long(key_head * shared + row / queries) * mask_strides[1];
        at += long(position) * mask_strides[2] + long(key) * mask_strides[3];
        score = masked<MASK>(scores[r], mask, at, key + queries <= position + keys);
      }
      float top = metal::max(tops[r], simd_max(score));
      float base = base_of(top);
      float factor = metal::precise::exp(tops[r] - base);
      scores[r] = metal::precise::exp(score - base);
      sums[r] = sums[r] * factor + simd_sum(scores[r]);
      tops[r] = top;
      for (int i = 0; i < VL; ++i) {
        out[r * VL + i] *= factor;
      }
    }
    uint count = metal::min(uint(WIDTH), end - begin);
    for (uint j = 0; j < count; ++j) {
      const device T* value = from_v + long(begin + j) * v_strides[2];
      float x[VL];
      for (int i = 0; i < VL; ++i) {
        uint d = lane + i * WIDTH;
        x[i] = d < value_dim ? float(value[long(d) * v_strides[3]]) : 0.0f;
      }
      for (int r = 0; r < TILE_ROWS; ++r) {
        float weight = simd_shuffle(scores[r], ushort(j));
        for (int i = 0; i < VL; ++i) {
          out[r * VL + i] = metal::fma(weight, x[i], out[r * VL + i]);
        }
      }
    }
  }

  for (int r = 0; r < TILE_ROWS; ++r) {
    uint row = first_row + mine + r;
    if (row >= rows) break;
    float factor = keys == 0 ? 0.0f : 1.0f / sums[r];
    device T* to = y + row_of(entry, key_head * shared + row / queries, row % queries, sizes);
    for (int i = 0; i < VL; ++i) {
      uint d = lane + i * WIDTH;
      if (d < value_dim) {
        to[d] = T(out[r * VL + i] * factor);
      }
    }
  }
}

// Few rows: the SIMD groups share the keys of a part, whose results become one. IS_PART: unscaled outputs of each part go to y, then
// the top and the sum of their weights. parts: how many, and keys of each. DL, VL: features of keys and of values over 32.
template <typename T, typename M, typename O, int MASK, bool HAS_SINKS, bool IS_PART, int DL, int VL, int ROWS>
[[kernel]] void attention_decode(
    const device T* q,
    const device T* k,
    const device T* v,
    const device M* mask,
    const device T* sinks,
    device O* y,
    const constant uint sizes[7],
    const constant uint parts[2],
    const constant float& scale,
    const constant long q_strides[5],
    const constant long k_strides[5],
    const constant long v_strides[5],
    const constant long mask_strides[5],
    const constant long sink_strides[2]) {
  threadgroup float out_of[SHARES * VL * WIDTH];
  threadgroup float top_of[SHARES];
  threadgroup float sum_of[SHARES];
  uint shared = sizes[2];
  uint queries = sizes[3];
  uint keys = sizes[4];
  uint dim = sizes[5];
  uint value_dim = sizes[6];
  uint rows = shared * queries;
  uint blocks = (rows + ROWS - 1) / ROWS;
  uint key_heads = sizes[1] / shared;
  uint group = holdall_group<uint>(threadgroup_position_in_grid);
  if (group >= sizes[0] * key_heads * blocks * parts[0]) return;
  uint part = group % parts[0];
  uint block = group / parts[0];
  uint first_row = block % blocks * ROWS;
  uint key_head = block / blocks % key_heads;
  uint entry = block / blocks / key_heads;
  uint lane = thread_index_in_simdgroup;
  uint share = simdgroup_index_in_threadgroup;
  const device T* from_k = k + k_strides[4] + long(entry) * k_strides[0] + long(key_head) * k_strides[1];
  const device T* from_v = v + v_strides[4] + long(entry) * v_strides[0] + long(key_head) * v_strides[1];

  float query[ROWS * DL];
  float tops[ROWS];
  float sums[ROWS];
  float out[ROWS * VL];
  long mask_at[ROWS];
  for (int r = 0; r < ROWS; ++r) {
    // Rows past the last repeat it and are not written.
    uint row = metal::min(first_row + r, rows - 1);
    uint head = key_head * shared + row / queries;
    uint position = row % queries;
    const device T* from_q = q + q_strides[4] + long(entry) * q_strides[0] + long(head) * q_strides[1];
    for (int i = 0; i < DL; ++i) {
      uint d = lane + i * WIDTH;
      query[r * DL + i] =
          d < dim ? float(from_q[long(position) * q_strides[2] + long(d) * q_strides[3]]) * scale : 0.0f;
    }
    bool has_sink = HAS_SINKS && part == 0 && share == 0;
    tops[r] = has_sink ? float(sinks[sink_strides[1] + long(head) * sink_strides[0]]) : -INFINITY;
    sums[r] = has_sink ? 1.0f : 0.0f;
    mask_at[r] = mask_strides[4] + long(entry) * mask_strides[0] + long(head) * mask_strides[1];
    mask_at[r] += long(position) * mask_strides[2];
    for (int i = 0; i < VL; ++i) {
      out[r * VL + i] = 0.0f;
    }
  }

  uint begin = part * parts[1];
  uint end = metal::min(begin + parts[1], keys_seen<MASK>(queries - 1, queries, keys));
  for (uint key = begin + share; key < end; key += SHARES) {
    float x[DL];
    for (int i = 0; i < DL; ++i) {
      uint d = lane + i * WIDTH;
      x[i] = d < dim ? float(from_k[long(key) * k_strides[2] + long(d) * k_strides[3]]) : 0.0f;
    }
    float value[VL];
    for (int i = 0; i < VL; ++i) {
      uint d = lane + i * WIDTH;
      value[i] = d < value_dim ? float(from_v[long(key) * v_strides[2] + long(d) * v_strides[3]]) : 0.0f;
    }
    for (int r = 0; r < ROWS; ++r) {
      float score = 0.0f;
      for (int i = 0; i < DL; ++i) {
        score = metal::fma(query[r * DL + i], x[i], score);
      }
      uint position = metal::min(first_row + r, rows - 1) % queries;
      bool is_seen = key + queries <= position + keys;
      score = masked<MASK>(simd_sum(score), mask, mask_at[r] + long(key) * mask_strides[3], is_seen);
      float top = metal::max(tops[r], score);
      float base = base_of(top);
      float factor = metal::precise::exp(tops[r] - base);
      float weight = metal::precise::exp(score - base);
      tops[r] = top;
      sums[r] = sums[r] * factor + weight;
      for (int i = 0; i < VL; ++i) {
        out[r * VL + i] = metal::fma(weight, value[i], out[r * VL + i] * factor);
      }
    }
  }

  for (int r = 0; r < ROWS; ++r) {
    uint row = first_row + r;
    if (row >= rows) break;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (lane == 0) {
      top_of[share] = tops[r];
      sum_of[share] = sums[r];
    }
    for (int i = 0; i < VL; ++i) {
      out_of[(share * VL + i) * WIDTH + lane] = out[r * VL + i];
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    float top = -INFINITY;
    for (int s = 0; s < SHARES; ++s) {
      top = metal::max(top, top_of[s]);
    }
    float base = base_of(top);
    float factors[SHARES];
    float sum = 0.0f;
    for (int s = 0; s < SHARES; ++s) {
      factors[s] = metal::precise::exp(top_of[s] - base);
      sum += sum_of[s] * factors[s];
    }
    uint head = key_head * shared + row / queries;
    ulong to = IS_PART ? ((ulong(entry) * sizes[1] + head) * queries + row % queries) * parts[0] + part : 0;
    to = IS_PART ? to * (value_dim + 2) : row_of(entry, head, row % queries, sizes);
    float scaled = IS_PART ? 1.0f : (keys == 0 ? 0.0f : 1.0f / sum);
    for (uint d = thread_index_in_threadgroup; d < value_dim; d += SHARES * WIDTH) {
      float mixed = 0.0f;
      for (int s = 0; s < SHARES; ++s) {
        mixed += out_of[s * VL * WIDTH + d] * factors[s];
      }
      y[to + d] = O(mixed * scaled);
    }
    if (IS_PART && thread_index_in_threadgroup == 0) {
      y[to + value_dim] = O(top);
      y[to + value_dim + 1] = O(sum);
    }
  }
}

// The parts of each row become its output: a thread for each feature.
template <typename T>
[[kernel]] void attention_merge(
    const device float* part, device T* y, const constant uint sizes[7], const constant uint& parts) {
  ulong i = holdall_index<ulong>(thread_position_in_grid);
  uint value_dim = sizes[6];
  if (i >= ulong(sizes[0]) * sizes[1] * sizes[3] * value_dim) return;
  ulong row = i / value_dim;
  uint d = uint(i % value_dim);
  ulong width = value_dim + 2;
  const device float* from = part + row * parts * width;
  float top = -INFINITY;
  for (uint p = 0; p < parts; ++p) {
    top = metal::max(top, from[p * width + value_dim]);
  }
  float base = base_of(top);
  float sum = 0.0f;
  float mixed = 0.0f;
  for (uint p = 0; p < parts; ++p) {
    float factor = metal::precise::exp(from[p * width + value_dim] - base);
    sum += from[p * width + value_dim + 1] * factor;
    mixed += from[p * width + d] * factor;
  }
  ulong head = row / sizes[3];
  y[row_of(head / sizes[1], uint(head % sizes[1]), uint(row % sizes[3]), sizes) + d] = T(mixed / sum);
}

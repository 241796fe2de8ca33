// Sorting by keys: unsigned integers in the elements' order, NaN last. Lines up to a block are sorted in threadgroup memory by a
// bitonic network; the blocks of longer lines are merged in passes, each thread giving some neighbouring elements.
//
// walk: where the first element is, distance of elements along a line, the same of the output.

// What a key is: of an element; of an element with its index below, so that equal elements stay in order; of an element, with the
// index apart.
constant constexpr int VALUES = 0;
constant constexpr int PACKED = 1;
constant constexpr int APART = 2;

// Elements that a thread merges.
constant constexpr int ITEMS = 8;

#define HOLDALL_KEYS(T, KEY, FLIP)                          \
  inline KEY key_of(T x) { return KEY(x) ^ KEY(FLIP); }     \
  inline T value_of(KEY key, T) { return T(key ^ KEY(FLIP)); }
HOLDALL_KEYS(uchar, uint, 0)
HOLDALL_KEYS(ushort, uint, 0)
HOLDALL_KEYS(uint, uint, 0)
HOLDALL_KEYS(ulong, ulong, 0)
HOLDALL_KEYS(char, uint, 0x80000000u)
HOLDALL_KEYS(short, uint, 0x80000000u)
HOLDALL_KEYS(int, uint, 0x80000000u)
HOLDALL_KEYS(long, ulong, 0x8000000000000000ul)
inline uint key_of(bool x) { return x ? 1u : 0u; }
inline bool value_of(uint key, bool) { return key != 0; }

// -0 comes before 0, and all NaN are one.
inline uint key_of(float x) {
  uint bits = as_type<uint>(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) {
    return 0xffffffffu;
  }
  return (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
}
inline float value_of(uint key, float) {
  return as_type<float>((key & 0x80000000u) != 0 ? key ^ 0x80000000u : ~key);
}
inline uint key_of(half x) { return key_of(float(x)); }
inline half value_of(uint key, half) { return half(value_of(key, 0.0f)); }
inline uint key_of(bfloat x) { return key_of(float(x)); }
inline bfloat value_of(uint key, bfloat) { return bfloat(value_of(key, 0.0f)); }

// The same with one key for -0 and 0.
template <typename T>
inline auto rank_of(T x) {
  return key_of(x);
}
inline uint rank_of(float x) {
  uint key = key_of(x);
  return key == 0x7fffffffu ? 0x80000000u : key;
}
inline uint rank_of(half x) { return rank_of(float(x)); }
inline uint rank_of(bfloat x) { return rank_of(float(x)); }

template <int KIND, typename K, typename T>
inline K entry_of(T x, uint index) {
  if constexpr (KIND == VALUES) {
    return key_of(x);
  } else if constexpr (KIND == PACKED) {
    return (K(rank_of(x)) << 32) | K(index);
  } else {
    return rank_of(x);
  }
}

// What an entry stands for: its element, its index, or, of partitions, the element at its index.
template <int KIND, bool IS_PICK, typename O, typename T, typename K>
inline O result_of(K key, uint index, const device T* line, long step) {
  if constexpr (KIND == VALUES) {
    return value_of(key, O(0));
  } else {
    uint at = KIND == PACKED ? uint(key) : index;
    if constexpr (IS_PICK) {
      return line[long(at) * step];
    } else {
      return O(at);
    }
  }
}

// Sorts SIZE elements of a line, those past its end being largest.
template <int KIND, typename K, typename T, int SIZE, int GROUP>
inline void sort_block(
    const device T* line, long step, ulong begin, ulong length, threadgroup K* keys, threadgroup uint* indices, uint lane) {
  for (uint i = lane; i < SIZE; i += GROUP) {
    bool inside = begin + i < length;
    uint index = uint(begin + i);
    keys[i] = inside ? entry_of<KIND, K>(line[long(begin + i) * step], index) : K(~K(0));
    if (KIND == APART) {
      // Larger than any index of an element, so that NaN and the largest number come before.
      indices[i] = inside ? index : 0xffffffffu;
    }
  }
  for (uint width = 2; width <= SIZE; width *= 2) {
    for (uint reach = width / 2; reach > 0; reach /= 2) {
      threadgroup_barrier(mem_flags::mem_threadgroup);
      for (uint i = lane; i < SIZE / 2; i += GROUP) {
        uint a = i / reach * (2 * reach) + i % reach;
        uint b = a + reach;
        K low = keys[a];
        K high = keys[b];
        bool is_after = low > high;
        if (KIND == APART) {
          is_after = is_after || (low == high && indices[a] > indices[b]);
        }
        if (is_after == ((a & width) == 0)) {
          keys[a] = high;
          keys[b] = low;
          if (KIND == APART) {
            uint index = indices[a];
            indices[a] = indices[b];
            indices[b] = index;
          }
        }
      }
    }
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
}

// A group for each line of at most SIZE elements.
template <typename T, typename K, typename O, int KIND, bool IS_PICK, int L, int SIZE, int GROUP>
[[kernel]] void sort_lines(
    const device T* x,
    device O* y,
    const constant ulong& lines,
    const constant ulong& length,
    const constant long walk[3],
    const constant ulong dims[L],
    const constant long from[L],
    const constant long to[L]) {
  threadgroup K keys[SIZE];
  threadgroup uint indices[KIND == APART ? SIZE : 1];
  ulong line = holdall_group<ulong>(threadgroup_position_in_grid);
  if (line >= lines) return;
  uint lane = thread_position_in_threadgroup.x;
  const device T* source = x + walk[0] + holdall_place<L>(line, dims, from);
  sort_block<KIND, K, T, SIZE, GROUP>(source, walk[1], 0, length, keys, indices, lane);
  device O* target = y + holdall_place<L>(line, dims, to);
  for (uint i = lane; i < length; i += GROUP) {
    uint index = KIND == APART ? indices[i] : 0;
    target[long(i) * walk[2]] = result_of<KIND, IS_PICK, O>(keys[i], index, source, walk[1]);
  }
}

// A group for each block of SIZE elements of each line; the blocks' entries lie line by line. The indices are written if they are apart.
template <typename T, typename K, int KIND, int L, int SIZE, int GROUP>
[[kernel]] void sort_blocks(
    const device T* x,
    device K* keys_out,
    device uint* indices_out,
    const constant ulong& lines,
    const constant ulong& length,
    const constant long walk[3],
    const constant ulong dims[L],
    const constant long from[L],
    const constant long to[L]) {
  threadgroup K keys[SIZE];
  threadgroup uint indices[KIND == APART ? SIZE : 1];
  ulong blocks = (length + SIZE - 1) / SIZE;
  ulong group = holdall_group<ulong>(threadgroup_position_in_grid);
  if (group >= lines * blocks) return;
  uint lane = thread_position_in_threadgroup.x;
  ulong line = group / blocks;
  ulong begin = (group % blocks) * SIZE;
  const device T* source = x + walk[0] + holdall_place<L>(line, dims, from);
  sort_block<KIND, K, T, SIZE, GROUP>(source, walk[1], begin, length, keys, indices, lane);
  for (uint i = lane; i < SIZE && begin + i < length; i += GROUP) {
    keys_out[line * length + begin + i] = keys[i];
    if (KIND == APART) {
      indices_out[line * length + begin + i] = indices[i];
    }
  }
}

// Merges neighbouring runs of `run` elements. A thread finds where its first element comes from, then merges some.
template <typename K, bool IS_APART>
[[kernel]] void sort_merge(
    const device K* keys,
    const device uint* indices,
    device K* keys_out,
    device uint* indices_out,
    const constant ulong& lines,
    const constant ulong& length,
    const constant ulong& run) {
  ulong parts = (length + ITEMS - 1) / ITEMS;
  ulong i = holdall_index<ulong>(thread_position_in_grid);
  if (i >= lines * parts) return;
  ulong line = i / parts * length;
  ulong first = (i % parts) * ITEMS;
  ulong start = first / (2 * run) * (2 * run);
  ulong middle = metal::min(start + run, length);
  ulong end = metal::min(middle + run, length);
  ulong a_size = middle - start;
  ulong b_size = end - middle;
  const device K* a = keys + line + start;
  const device K* b = keys + line + middle;
  // How many of the elements before come from a, whose elements precede equal ones of b.
  ulong before = first - start;
  ulong low = before > b_size ? before - b_size : 0;
  ulong high = metal::min(before, a_size);
  while (low < high) {
    ulong at = low + (high - low) / 2;
    if (a[at] <= b[before - at - 1]) {
      low = at + 1;
    } else {
      high = at;
    }
  }
  ulong from_a = low;
  ulong from_b = before - low;
  ulong last = metal::min(before + ITEMS, a_size + b_size);
  for (ulong at = before; at < last; ++at) {
    bool is_a = from_b == b_size || (from_a < a_size && a[from_a] <= b[from_b]);
    ulong source = line + (is_a ? start + from_a : middle + from_b);
    keys_out[line + start + at] = keys[source];
    if (IS_APART) {
      indices_out[line + start + at] = indices[source];
    }
    if (is_a) {
      from_a += 1;
    } else {
      from_b += 1;
    }
  }
}

// What sorted entries stand for.
template <typename T, typename K, typename O, int KIND, bool IS_PICK, int L>
[[kernel]] void sort_results(
    const device T* x,
    const device K* keys,
    const device uint* indices,
    device O* y,
    const constant ulong& lines,
    const constant ulong& length,
    const constant long walk[3],
    const constant ulong dims[L],
    const constant long from[L],
    const constant long to[L]) {
  ulong i = holdall_index<ulong>(thread_position_in_grid);
  if (i >= lines * length) return;
  ulong line = i / length;
  const device T* source = x + walk[0] + holdall_place<L>(line, dims, from);
  uint index = KIND == APART ? indices[i] : 0;
  y[holdall_place<L>(line, dims, to) + long(i % length) * walk[2]] =
      result_of<KIND, IS_PICK, O>(keys[i], index, source, walk[1]);
}

// For each value how many elements of a sorted vector come before it. vector: its elements, where the first is, their distance.
template <typename T, bool RIGHT, int R>
[[kernel]] void search_sorted(
    const device T* sorted,
    const device T* values,
    device uint* y,
    const constant ulong& size,
    const constant long vector[3],
    const constant long& first,
    const constant ulong dims[R],
    const constant long strides[R]) {
  ulong i = holdall_index<ulong>(thread_position_in_grid);
  if (i >= size) return;
  auto key = rank_of(values[first + holdall_place<R>(i, dims, strides)]);
  long low = 0;
  long high = vector[0];
  while (low < high) {
    long at = low + (high - low) / 2;
    auto other = rank_of(sorted[vector[1] + at * vector[2]]);
    if (RIGHT ? other <= key : other < key) {
      low = at + 1;
    } else {
      high = at;
    }
  }
  y[i] = uint(low);
}

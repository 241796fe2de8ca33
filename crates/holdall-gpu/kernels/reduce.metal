// Reductions and the places of extremes.

// What is computed.
constant constexpr int SUM = 0;
constant constexpr int PROD = 1;
constant constexpr int MAX = 2;
constant constexpr int MIN = 3;
constant constexpr int ALL = 4;
constant constexpr int ANY = 5;

template <int OP, typename A>
inline A identity() {
  if constexpr (OP == SUM) {
    return A(0);
  } else if constexpr (OP == PROD) {
    return A(1);
  } else if constexpr (OP == MAX) {
    return Limits<A>::min;
  } else if constexpr (OP == MIN) {
    return Limits<A>::max;
  } else {
    return A(OP == ALL);
  }
}

template <int OP, typename A>
inline A both(A a, A b) {
  if constexpr (OP == SUM) {
    return A(a + b);
  } else if constexpr (OP == PROD) {
    return A(a * b);
  } else if constexpr (OP == MAX) {
    return holdall_maximum(a, b);
  } else if constexpr (OP == MIN) {
    return holdall_minimum(a, b);
  } else if constexpr (OP == ALL) {
    return A(a && b);
  } else {
    return A(a || b);
  }
}

// An element as what is accumulated: its truth where that counts.
template <int OP, typename A, typename T>
inline A element(T x) {
  if constexpr (OP == ALL || OP == ANY) {
    return A(x != T(0));
  } else {
    return A(x);
  }
}

template <int OP, typename A, typename T, int Q, typename I>
inline A part_of_row(
    const device T* x, long base, I first, I last, I step, const constant ulong* dims, const constant long* strides) {
  A sum = identity<OP, A>();
  for (I i = first; i < last; i += step) {
    sum = both<OP, A>(sum, element<OP, A>(x[base + holdall_place<Q>(i, dims, strides)]));
  }
  return sum;
}

// A thread for each output. K axes are kept, Q are reduced. `first`: where the first element is.
template <typename T, typename A, typename O, int OP, typename I, int K, int Q>
[[kernel]] void reduce_each(
    const device T* x,
    device O* y,
    const constant ulong& outputs,
    const constant ulong& length,
    const constant long& first,
    const constant ulong kept[K],
    const constant long kept_strides[K],
    const constant ulong gone[Q],
    const constant long gone_strides[Q]) {
  I i = holdall_index<I>(thread_position_in_grid);
  if (i >= I(outputs)) return;
  long base = first + holdall_place<K>(i, kept, kept_strides);
  y[i] = O(part_of_row<OP, A, T, Q, I>(x, base, I(0), I(length), I(1), gone, gone_strides));
}

// A group for each segment of the elements of each output; `per_segment` elements each.
template <typename T, typename A, typename O, int OP, typename I, int K, int Q, int GROUP>
[[kernel]] void reduce_group(
    const device T* x,
    device O* y,
    const constant ulong& outputs,
    const constant ulong& length,
    const constant long& first,
    const constant ulong& segments,
    const constant ulong& per_segment,
    const constant ulong kept[K],
    const constant long kept_strides[K],
    const constant ulong gone[Q],
    const constant long gone_strides[Q]) {
  threadgroup A partial[GROUP];
  I group = holdall_group<I>(threadgroup_position_in_grid);
  if (group >= I(outputs * segments)) return;
  uint lane = thread_position_in_threadgroup.x;
  I begin = (group % I(segments)) * I(per_segment);
  I end = metal::min(begin + I(per_segment), I(length));
  long base = first + holdall_place<K>(group / I(segments), kept, kept_strides);
  partial[lane] = part_of_row<OP, A, T, Q, I>(x, base, begin + lane, end, I(GROUP), gone, gone_strides);
  for (uint half_size = GROUP / 2; half_size > 0; half_size /= 2) {
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (lane < half_size) {
      partial[lane] = both<OP, A>(partial[lane], partial[lane + half_size]);
    }
  }
  if (lane == 0) {
    y[group] = O(partial[0]);
  }
}

// Whether the second of two elements is the extreme, the first one's index being smaller; NaN is most extreme.
template <bool LARGEST, typename A>
inline bool beats(A a, A b) {
  return LARGEST ? b > a || (b != b && a == a) : b < a || (b != b && a == a);
}

// The place of the first extreme along an axis, a group for each row.
template <typename T, typename A, bool LARGEST, int K, int GROUP>
[[kernel]] void arg_reduce(
    const device T* x,
    device uint* y,
    const constant uint& outputs,
    const constant uint& length,
    const constant long& first,
    const constant long& step,
    const constant ulong kept[K],
    const constant long kept_strides[K]) {
  threadgroup A best_of[GROUP];
  threadgroup uint place_of[GROUP];
  uint group = holdall_group<uint>(threadgroup_position_in_grid);
  if (group >= outputs) return;
  uint lane = thread_position_in_threadgroup.x;
  long base = first + holdall_place<K>(group, kept, kept_strides);
  // Threads without elements have none to offer.
  uint place = lane < length ? lane : 0;
  A best = A(x[base + long(place) * step]);
  for (uint i = lane + GROUP; i < length; i += GROUP) {
    A value = A(x[base + long(i) * step]);
    if (beats<LARGEST, A>(best, value)) {
      best = value;
      place = i;
    }
  }
  best_of[lane] = best;
  place_of[lane] = place;
  for (uint half_size = GROUP / 2; half_size > 0; half_size /= 2) {
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (lane < half_size) {
      A mine = best_of[lane];
      A other = best_of[lane + half_size];
      uint at = place_of[lane + half_size];
      bool tie = !beats<LARGEST, A>(other, mine) && !beats<LARGEST, A>(mine, other);
      if (tie ? at < place_of[lane] : beats<LARGEST, A>(mine, other)) {
        best_of[lane] = other;
        place_of[lane] = at;
      }
    }
  }
  if (lane == 0) {
    y[group] = place_of[0];
  }
}

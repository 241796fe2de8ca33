// Running sums, products and extremes along lines of an array. Floats run in float32. A running sum of exponentials is a pair: the
// largest exponent and the sum relative to it, as a complex number.
//
// walk: where the first element is, distance of elements along a line, the same of the output.

constant constexpr int SUM = 0;
constant constexpr int PROD = 1;
constant constexpr int MAX = 2;
constant constexpr int MIN = 3;
constant constexpr int LOG_SUM_EXP = 4;

// Elements that a thread takes in a row.
constant constexpr int ITEMS = 4;

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
    return A(-INFINITY, 0.0f);
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
  } else {
    bool is_first = a.real > b.real;
    A high = is_first ? a : b;
    A low = is_first ? b : a;
    // Equal infinities have no difference; NaN takes this way too and stays.
    float distance = low.real == high.real ? 0.0f : low.real - high.real;
    return A(high.real, high.imag + low.imag * metal::precise::exp(distance));
  }
}

template <int OP, typename A, typename T>
inline A element(T x) {
  if constexpr (OP == LOG_SUM_EXP) {
    return A(float(x), 1.0f);
  } else {
    return A(x);
  }
}

template <int OP, typename A, typename O>
inline O result(A a) {
  if constexpr (OP == LOG_SUM_EXP) {
    return O(a.real + metal::precise::log(a.imag));
  } else {
    return O(a);
  }
}

// A thread for each line.
template <typename T, typename A, typename O, int OP, bool REVERSE, bool INCLUSIVE, int K>
[[kernel]] void scan_each(
    const device T* x,
    device O* y,
    const constant ulong& lines,
    const constant ulong& length,
    const constant long walk[3],
    const constant ulong dims[K],
    const constant long from[K],
    const constant long to[K]) {
  ulong line = holdall_index<ulong>(thread_position_in_grid);
  if (line >= lines) return;
  long source = walk[0] + holdall_place<K>(line, dims, from);
  long target = holdall_place<K>(line, dims, to);
  A sum = identity<OP, A>();
  for (ulong i = 0; i < length; ++i) {
    long at = long(REVERSE ? length - 1 - i : i);
    A next = both<OP, A>(sum, element<OP, A>(x[source + at * walk[1]]));
    y[target + at * walk[2]] = result<OP, A, O>(INCLUSIVE ? next : sum);
    sum = next;
  }
}

// What the elements of each segment of each line give: a group for each segment, of `per_segment` elements.
template <typename T, typename A, int OP, bool REVERSE, int K, int GROUP>
[[kernel]] void scan_totals(
    const device T* x,
    device A* totals,
    const constant ulong& segments,
    const constant ulong& per_segment,
    const constant ulong& lines,
    const constant ulong& length,
    const constant long walk[3],
    const constant ulong dims[K],
    const constant long from[K],
    const constant long to[K]) {
  threadgroup A partial[GROUP];
  ulong group = holdall_group<ulong>(threadgroup_position_in_grid);
  if (group >= lines * segments) return;
  uint lane = thread_position_in_threadgroup.x;
  ulong begin = (group % segments) * per_segment;
  ulong end = metal::min(begin + per_segment, length);
  long source = walk[0] + holdall_place<K>(group / segments, dims, from);
  A sum = identity<OP, A>();
  for (ulong i = begin + lane; i < end; i += GROUP) {
    long at = long(REVERSE ? length - 1 - i : i);
    sum = both<OP, A>(sum, element<OP, A>(x[source + at * walk[1]]));
  }
  partial[lane] = sum;
  for (uint half_size = GROUP / 2; half_size > 0; half_size /= 2) {
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (lane < half_size) {
      partial[lane] = both<OP, A>(partial[lane], partial[lane + half_size]);
    }
  }
  if (lane == 0) {
    totals[group] = partial[0];
  }
}

// A group for each segment: tiles of GROUP * ITEMS elements one after another, from what the segments before gave. HAS_TOTALS: there
// are several segments, else `totals` is not read.
template <typename T, typename A, typename P, typename O, int OP, bool REVERSE, bool INCLUSIVE, bool HAS_TOTALS, int K, int GROUP>
[[kernel]] void scan_group(
    const device T* x,
    const device P* totals,
    device O* y,
    const constant ulong& segments,
    const constant ulong& per_segment,
    const constant ulong& lines,
    const constant ulong& length,
    const constant long walk[3],
    const constant ulong dims[K],
    const constant long from[K],
    const constant long to[K]) {
  threadgroup A sums[GROUP];
  ulong group = holdall_group<ulong>(threadgroup_position_in_grid);
  if (group >= lines * segments) return;
  uint lane = thread_position_in_threadgroup.x;
  ulong segment = group % segments;
  ulong line = group / segments;
  A nothing = identity<OP, A>();
  A before = nothing;
  if constexpr (HAS_TOTALS) {
    for (ulong i = lane; i < segment; i += GROUP) {
      before = both<OP, A>(before, totals[line * segments + i]);
    }
    sums[lane] = before;
    for (uint half_size = GROUP / 2; half_size > 0; half_size /= 2) {
      threadgroup_barrier(mem_flags::mem_threadgroup);
      if (lane < half_size) {
        sums[lane] = both<OP, A>(sums[lane], sums[lane + half_size]);
      }
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    before = sums[0];
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
  long source = walk[0] + holdall_place<K>(line, dims, from);
  long target = holdall_place<K>(line, dims, to);
  ulong end = metal::min((segment + 1) * per_segment, length);
  for (ulong begin = segment * per_segment; begin < end; begin += GROUP * ITEMS) {
    ulong mine = begin + lane * ITEMS;
    A values[ITEMS];
    A sum = identity<OP, A>();
    for (int j = 0; j < ITEMS; ++j) {
      ulong i = mine + j;
      A next = sum;
      if (i < end) {
        long at = long(REVERSE ? length - 1 - i : i);
        next = both<OP, A>(sum, element<OP, A>(x[source + at * walk[1]]));
      }
      values[j] = INCLUSIVE ? next : sum;
      sum = next;
    }
    sums[lane] = sum;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    for (uint reach = 1; reach < GROUP; reach *= 2) {
      A other = lane >= reach ? sums[lane - reach] : nothing;
      threadgroup_barrier(mem_flags::mem_threadgroup);
      sums[lane] = both<OP, A>(other, sums[lane]);
      threadgroup_barrier(mem_flags::mem_threadgroup);
    }
    A base = both<OP, A>(before, lane > 0 ? sums[lane - 1] : nothing);
    for (int j = 0; j < ITEMS; ++j) {
      ulong i = mine + j;
      if (i < end) {
        long at = long(REVERSE ? length - 1 - i : i);
        y[target + at * walk[2]] = result<OP, A, O>(both<OP, A>(base, values[j]));
      }
    }
    before = both<OP, A>(before, sums[GROUP - 1]);
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
}

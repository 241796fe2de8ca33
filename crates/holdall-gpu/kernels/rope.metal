// Rotary position embedding. Turns are counted in fixed point, 2^64 to a turn: multiplied by a position, whole turns fall away
// without an error, so positions in the millions keep the precision of float.

// Rotates the pair of a thread; features that do not rotate are copied by the threads behind. Sizes: batch, heads, sequence,
// features. x_strides: of x. per_position: turns of each pair for one position, high and low words.
template <typename T>
inline void rotate(
    const device T* x,
    device T* y,
    const constant uint* sizes,
    const constant long* x_strides,
    long first,
    uint dims,
    bool traditional,
    ulong row,
    uint pair,
    ulong turns) {
  ulong sequence = sizes[2];
  ulong heads = sizes[1];
  ulong features = sizes[3];
  long from = first + long(row % sequence) * x_strides[2];
  from += long(row / sequence % heads) * x_strides[1] + long(row / sequence / heads) * x_strides[0];
  device T* to = y + row * features;
  uint half_size = dims / 2;
  if (pair >= half_size) {
    uint at = dims + (pair - half_size);
    to[at] = x[from + long(at) * x_strides[3]];
    return;
  }
  float angle = float(long(turns)) * 3.4061215800304255e-19f;
  float s = metal::precise::sin(angle);
  float c = metal::precise::cos(angle);
  uint one = traditional ? 2 * pair : pair;
  uint other = traditional ? 2 * pair + 1 : pair + half_size;
  float a = float(x[from + long(one) * x_strides[3]]);
  float b = float(x[from + long(other) * x_strides[3]]);
  to[one] = T(a * c - b * s);
  to[other] = T(a * s + b * c);
}

// The turns of each pair come with the launch.
template <typename T, typename N, bool TRADITIONAL, int HALF>
[[kernel]] void rope_base(
    const device T* x,
    const device N* offset,
    device T* y,
    const constant uint sizes[4],
    const constant long x_strides[4],
    const constant long& first,
    const constant long& offset_stride,
    const constant ulong per_position[HALF]) {
  uint pair = thread_position_in_grid.x;
  ulong row = thread_position_in_grid.y + ulong(thread_position_in_grid.z) * 65535;
  ulong rows = ulong(sizes[0]) * sizes[1] * sizes[2];
  if (row >= rows) return;
  long position = long(row % sizes[2]) + long(offset[long(row / sizes[2] / sizes[1]) * offset_stride]);
  ulong turns = pair < HALF ? ulong(position) * per_position[pair] : 0;
  rotate<T>(x, y, sizes, x_strides, first, 2 * HALF, TRADITIONAL, row, pair, turns);
}

// A number below 1 in size as a part of 2^64.
inline ulong fixed_point(float x) { return ulong(long(x * 4611686018427387904.0f)) << 2; }

// The turns are `scale`, high and low part, divided by periods; an infinite period does not rotate.
template <typename T, typename N, typename P, bool TRADITIONAL>
[[kernel]] void rope_periods(
    const device T* x,
    const device N* offset,
    const device P* periods,
    device T* y,
    const constant uint sizes[4],
    const constant long x_strides[4],
    const constant long& first,
    const constant long& offset_stride,
    const constant uint& dims,
    const constant float scale[2],
    const constant long& period_stride) {
  uint pair = thread_position_in_grid.x;
  ulong row = thread_position_in_grid.y + ulong(thread_position_in_grid.z) * 65535;
  ulong rows = ulong(sizes[0]) * sizes[1] * sizes[2];
  if (row >= rows) return;
  long position = long(row % sizes[2]) + long(offset[long(row / sizes[2] / sizes[1]) * offset_stride]);
  ulong turns = 0;
  if (pair < dims / 2) {
    float period = float(periods[long(pair) * period_stride]);
    if (!metal::isinf(period)) {
      // A quotient in three parts, of 24 bits each.
      float q0 = scale[0] / period;
      float rest = metal::fma(-q0, period, scale[0]);
      float q1 = (rest + scale[1]) / period;
      rest = metal::fma(-q1, period, rest) + scale[1];
      float q2 = rest / period;
      ulong each = fixed_point(q0 - metal::floor(q0)) + fixed_point(q1 - metal::floor(q1)) + fixed_point(q2);
      turns = ulong(position) * each;
    }
  }
  rotate<T>(x, y, sizes, x_strides, first, dims, TRADITIONAL, row, pair, turns);
}

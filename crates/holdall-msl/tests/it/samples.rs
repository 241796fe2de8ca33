//! Kernels of the kinds that people write. The mutation tests take them apart, too.

pub const SOFTMAX: &str = r"
constexpr int N_SIMD = 2;
threadgroup float shared_max[N_SIMD];
threadgroup float shared_sum[N_SIMD];
uint row = threadgroup_position_in_grid.x;
uint tid = thread_position_in_threadgroup.x;
uint lane = thread_index_in_simdgroup;
uint group = simdgroup_index_in_threadgroup;
int n = x_shape[1];
const device T* in = x + row * n;

float top = -INFINITY;
for (int i = tid; i < n; i += threads_per_threadgroup.x) {
  top = metal::max(top, float(in[i]));
}
top = simd_max(top);
if (lane == 0) { shared_max[group] = top; }
threadgroup_barrier(mem_flags::mem_threadgroup);
for (int g = 0; g < N_SIMD; ++g) top = max(top, shared_max[g]);

float sum = 0;
for (int i = tid; i < n; i += threads_per_threadgroup.x) {
  sum += metal::exp(static_cast<float>(in[i]) - top);
}
sum = simd_sum(sum);
if (lane == 0) shared_sum[group] = sum;
threadgroup_barrier(mem_flags::mem_threadgroup);
sum = 0;
for (int g = 0; g < N_SIMD; ++g) { sum += shared_sum[g]; }

device T* out = y + row * n;
for (int i = tid; i < n; i += threads_per_threadgroup.x) {
  out[i] = T(fast::exp(float(in[i]) - top) / sum);
}
";

pub const GIVENS_HEADER: &str = r"
#define ROTATE(a, b, c, s)   \
  do {                       \
    float t = (a) * (c) - (b) * (s); \
    (b) = (a) * (s) + (b) * (c);     \
    (a) = t;                 \
  } while (0)
";

pub const GIVENS: &str = r"
uint i = thread_position_in_grid.x;
if (i >= uint(N / 2)) return;
int a = pairs[2 * i], b = pairs[2 * i + 1];
float va = x[a], vb = x[b];
float s, c;
s = metal::sincos(theta[i], c);
ROTATE(va, vb, c, s);
y[a] = va;
y[b] = vb;
";

pub const GATED_DELTA: &str = r"
constexpr int n_per_t = Dk / 32;
auto dv_idx = thread_position_in_grid.y;
auto dk_idx = thread_position_in_threadgroup.x;
auto i_state = state_in + dv_idx * Dk;
auto o_state = state_out + dv_idx * Dk;
float state[n_per_t];
for (int i = 0; i < n_per_t; ++i) {
  auto s_idx = n_per_t * dk_idx + i;
  state[i] = static_cast<float>(i_state[s_idx]);
}
float kv_mem = 0.0f;
for (int i = 0; i < n_per_t; ++i) {
  auto s_idx = n_per_t * dk_idx + i;
  state[i] = state[i] * gate[0];
  kv_mem += state[i] * k[s_idx];
}
kv_mem = simd_sum(kv_mem);
auto delta = (v[dv_idx] - kv_mem) * gate[1];
float out = 0.0f;
for (int i = 0; i < n_per_t; ++i) {
  auto s_idx = n_per_t * dk_idx + i;
  state[i] = state[i] + k[s_idx] * delta;
  out += state[i] * q[s_idx];
}
out = simd_sum(out);
if (thread_index_in_simdgroup == 0) {
  y[dv_idx] = out;
}
for (int i = 0; i < n_per_t; ++i) {
  o_state[n_per_t * dk_idx + i] = state[i];
}
";

pub const GRID_SAMPLE: &str = r"
uint i = thread_position_in_grid.x;
float2 p = float2(position[2 * i], position[2 * i + 1]);
float2 low = metal::floor(p);
float2 part = p - low;
int2 at = int2(low);
for (int dy = 0; dy < 2; dy++) {
  for (int dx = 0; dx < 2; dx++) {
    int2 q = at + int2(dx, dy);
    float w = (dx ? part.x : 1 - part.x) * (dy ? part.y : 1 - part.y);
    if (q.x < 0 || q.x >= W || q.y < 0 || q.y >= W || w == 0) continue;
    atomic_fetch_add_explicit(&y[q.y * W + q.x], w * cotangent[i], memory_order_relaxed);
  }
}
";

pub const PREFIX_SUM: &str = r"
threadgroup int totals[32];
uint i = thread_position_in_grid.x;
int v = x[i];
int sum = simd_prefix_inclusive_sum(v);
if (thread_index_in_simdgroup == threads_per_simdgroup - 1) {
  totals[simdgroup_index_in_threadgroup] = sum;
}
threadgroup_barrier(mem_flags::mem_threadgroup);
for (uint g = 0; g < simdgroup_index_in_threadgroup; g++) sum += totals[g];
y[i] = sum;
";

pub const HISTOGRAM: &str = r"
uint i = thread_position_in_grid.x;
device atomic_uint* bins = (device atomic_uint*)y;
atomic_fetch_add_explicit(bins + x[i], 1u, memory_order_relaxed);
";

pub const MATMUL_HEADER: &str = r"
constant constexpr int TILE = 8;
template <typename T, int N>
T row_dot(threadgroup const T* a, threadgroup const T* b, int stride) {
  T sum = 0;
  #pragma unroll
  for (int k = 0; k < N; ++k) {
    sum = fma(a[k], b[k * stride], sum);
  }
  return sum;
}
";

pub const MATMUL: &str = r"
threadgroup float ta[TILE][TILE];
threadgroup float tb[TILE][TILE];
uint2 local = thread_position_in_threadgroup.xy;
uint2 at = thread_position_in_grid.xy;
int n = a_shape[1], m = b_shape[1];
float sum = 0;
for (int k = 0; k < n; k += TILE) {
  ta[local.y][local.x] = a[at.y * n + k + local.x];
  tb[local.y][local.x] = b[(k + local.y) * m + at.x];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  sum += row_dot<float, TILE>(ta[local.y], &tb[0][local.x], TILE);
  threadgroup_barrier(mem_flags::mem_threadgroup);
}
c[at.y * m + at.x] = sum;
";

pub const SIMD_MATMUL: &str = r"
uint2 tile = threadgroup_position_in_grid.xy;
simdgroup_float8x8 sum = simdgroup_float8x8(0);
for (int k = 0; k < 16; k += TILE) {
  simdgroup_float8x8 ma, mb;
  simdgroup_load(ma, a + tile.y * 8 * 16 + k, 16);
  simdgroup_load(mb, b, 16, ulong2(tile.x * 8, k));
  simdgroup_multiply_accumulate(sum, ma, mb, sum);
}
simdgroup_store(sum, c + tile.y * 8 * 16 + tile.x * 8, 16);
";

pub const TOP_K_HEADER: &str = r"
struct Best {
  float value;
  int index;
  bool operator<(Best other) const { return value < other.value || (value == other.value && index > other.index); }
};

inline Best larger(Best a, Best b) { return a < b ? b : a; }

METAL_FUNC Best reduce(Best best) {
  for (ushort offset = 16; offset > 0; offset /= 2) {
    Best other = {simd_shuffle_xor(best.value, offset), simd_shuffle_xor(best.index, offset)};
    best = larger(best, other);
  }
  return best;
}
";

pub const TOP_K: &str = r"
uint lane = thread_index_in_simdgroup;
bool taken[2] = {false, false};
const int n = x_shape[0];
for (int k = 0; k < K; k++) {
  Best best = {-FLT_MAX, -1};
  for (int i = lane, j = 0; i < n; i += 32, ++j) {
    if (taken[j]) continue;
    best = larger(best, Best{x[i], i});
  }
  best = reduce(best);
  if (best.index % 32 == int(lane)) taken[best.index / 32] = true;
  if (lane == 0) {
    values[k] = best.value;
    indices[k] = best.index;
  }
}
";

pub const STRIDED_EXP: &str = r"
uint elem = thread_position_in_grid.x;
// Utils from `mlx/backend/metal/kernels/utils.h` are automatically included
uint loc = elem_to_loc(elem, x_shape, x_strides, x_ndim);
T tmp = x[loc];
y[elem] = metal::precise::exp(tmp);
";

pub const BF16_HEADER: &str = r"
template <typename T, int N>
struct Block {
  T values[N];

  static Block load(const device T* from) {
    Block block;
    for (int i = 0; i < N; i++) block.values[i] = from[i];
    return block;
  }

  template <typename F>
  void each(F f) thread {
    for (int i = 0; i < N; i++) values[i] = f(values[i]);
  }

  void store(device T* to) const {
    for (int i = 0; i < N; i++) to[i] = values[i];
  }
};

template <typename T>
T silu(T x) {
  float f = float(x);
  return static_cast<T>(f / (1.0f + metal::exp(-f)));
}
";

pub const BF16: &str = r"
uint i = thread_position_in_grid.x * 4;
auto block = Block<T, 4>::load(x + i);
block.each([](T v) { return silu(v); });
block.store(y + i);
";

// What the threads of a simd group do together. Those that take part are the active lanes of the warp: what has left
// the kernel or is in another branch does not. Values from lanes that take no part are zero.

namespace impl_ {
constexpr unsigned whole = 0xffffffffu;

inline unsigned lane() {
  unsigned r;
  asm("mov.u32 %0, %%laneid;" : "=r"(r));
  return r;
}
inline bool takes_part(unsigned mask, unsigned from) { return mask >> from & 1; }

// The value of another lane, whatever type it has.
template <typename T>
T fetch(unsigned mask, const T& value, unsigned from) {
  constexpr int n = (sizeof(T) + 3) / 4;
  unsigned words[n] = {};
  memcpy(words, &value, sizeof(T));
  for (int i = 0; i < n; i++) {
    unsigned got = __shfl_sync(mask, words[i], from);
    words[i] = takes_part(mask, from) ? got : 0;
  }
  T r;
  memcpy(&r, words, sizeof(T));
  return r;
}

template <typename T>
constexpr T greatest() {
  if constexpr (is_float<T>) return T(__builtin_bit_cast(float, 0x7f800000u));
  else return most<T>;
}
template <typename T>
constexpr T smallest() {
  if constexpr (is_float<T>) return T(__builtin_bit_cast(float, 0xff800000u));
  else return least<T>;
}

struct sum_op {
  template <typename T>
  static constexpr T neutral() { return T(0); }
  template <typename T>
  static T at(T a, T b) { return T(a + b); }
};
struct product_op {
  template <typename T>
  static constexpr T neutral() { return T(1); }
  template <typename T>
  static T at(T a, T b) { return T(a * b); }
};
struct least_op {
  template <typename T>
  static constexpr T neutral() { return greatest<T>(); }
  template <typename T>
  static T at(T a, T b) { return min_op::at(a, b); }
};
struct most_op {
  template <typename T>
  static constexpr T neutral() { return smallest<T>(); }
  template <typename T>
  static T at(T a, T b) { return max_op::at(a, b); }
};
struct and_op {
  template <typename T>
  static constexpr T neutral() { return T(~T(0)); }
  template <typename T>
  static T at(T a, T b) { return T(a & b); }
};
struct or_op {
  template <typename T>
  static constexpr T neutral() { return T(0); }
  template <typename T>
  static T at(T a, T b) { return T(a | b); }
};
struct xor_op {
  template <typename T>
  static constexpr T neutral() { return T(0); }
  template <typename T>
  static T at(T a, T b) { return T(a ^ b); }
};

// Lanes with gaps between them, one after the other.
template <typename Op, typename T>
T gathered(unsigned mask, T value) {
  T sum = Op::template neutral<T>();
#pragma unroll 1
  for (unsigned left = mask; left != 0; left &= left - 1) sum = Op::at(sum, fetch(mask, value, __ffs(left) - 1));
  return sum;
}

// By halves: lane i and i + 16, then i + 8, and so on, the same on all lanes.
template <typename Op, typename T>
T reduced(T value) {
  unsigned mask = __activemask();
  if (mask == whole) {
#pragma unroll
    for (int half = 16; half > 0; half /= 2) value = Op::at(value, fetch(whole, value, lane() ^ half));
    return value;
  }
  if ((mask & (mask + 1)) != 0) return gathered<Op>(mask, value);
  // The first lanes only. After each step lanes that differ by its distance have equal values, and lower ones are there.
#pragma unroll
  for (int half = 16; half > 0; half /= 2) {
    unsigned from = (lane() ^ half) & (2 * half - 1);
    T got = fetch(mask, value, from);
    value = Op::at(value, takes_part(mask, from) ? got : Op::template neutral<T>());
  }
  return value;
}

template <typename Op, typename T>
T reduce(T value) {
  if constexpr (is_vector<T>) {
    vec<typename T::element, size_of<T>> r{};
    for (int i = 0; i < size_of<T>; i++) r[i] = reduced<Op>(value[i]);
    return r;
  } else if constexpr (is_same_v<T, bool>) {
    return T(reduce<Op>(uchar(value)));
  } else if constexpr (integer<T>::value && sizeof(T) <= 4 && !is_same_v<Op, product_op>) {
    // Instructions for this. Shorter integers are a part of the longer.
    typedef conditional_t<(T(-1) < T(0)), int, unsigned> W;
    unsigned mask = __activemask();
    if constexpr (is_same_v<Op, sum_op>) return T(__reduce_add_sync(mask, W(value)));
    else if constexpr (is_same_v<Op, least_op>) return T(__reduce_min_sync(mask, W(value)));
    else if constexpr (is_same_v<Op, most_op>) return T(__reduce_max_sync(mask, W(value)));
    else if constexpr (is_same_v<Op, and_op>) return T(__reduce_and_sync(mask, unsigned(value)));
    else if constexpr (is_same_v<Op, or_op>) return T(__reduce_or_sync(mask, unsigned(value)));
    else return T(__reduce_xor_sync(mask, unsigned(value)));
  } else {
    return reduced<Op>(value);
  }
}

// Everything before a lane, with it or without.
template <typename Op, bool INCLUSIVE, typename T>
T scanned(T value) {
  unsigned mask = __activemask(), me = lane();
  const T neutral = Op::template neutral<T>();
  if ((mask & (mask + 1)) != 0) {
    T sum = neutral;
    for (unsigned i = 0; i < 32; i++) {
      T got = fetch(mask, value, i);
      if (takes_part(mask, i) && (i < me || (INCLUSIVE && i == me))) sum = Op::at(sum, got);
    }
    return sum;
  }
#pragma unroll
  for (unsigned by = 1; by < 32; by *= 2) {
    T got = fetch(mask, value, me >= by ? me - by : me);
    if (me >= by) value = Op::at(got, value);
  }
  if (INCLUSIVE) return value;
  T got = fetch(mask, value, me ? me - 1 : 0);
  return me ? got : neutral;
}
template <typename Op, bool INCLUSIVE, typename T>
T scan(T value) {
  if constexpr (is_vector<T>) {
    vec<typename T::element, size_of<T>> r{};
    for (int i = 0; i < size_of<T>; i++) r[i] = scanned<Op, INCLUSIVE>(value[i]);
    return r;
  } else {
    return scanned<Op, INCLUSIVE>(value);
  }
}

// Over the four lanes of a quad.
template <typename Op, typename T>
T quad_reduced(T value) {
  unsigned mask = __activemask(), first = lane() & ~3u;
  T sum = Op::template neutral<T>();
  for (unsigned i = first; i < first + 4; i++) {
    T got = fetch(mask, value, i);
    if (takes_part(mask, i)) sum = Op::at(sum, got);
  }
  return sum;
}
template <typename Op, typename T>
T quad_reduce(T value) {
  if constexpr (is_vector<T>) {
    vec<typename T::element, size_of<T>> r{};
    for (int i = 0; i < size_of<T>; i++) r[i] = quad_reduced<Op>(value[i]);
    return r;
  } else {
    return quad_reduced<Op>(value);
  }
}
}  // namespace impl_

#define HOLDALL_REDUCTION(NAME, OP) \
  template <typename T>             \
  T simd_##NAME(T value) { return impl_::reduce<impl_::OP>(value); }
HOLDALL_REDUCTION(sum, sum_op)
HOLDALL_REDUCTION(product, product_op)
HOLDALL_REDUCTION(min, least_op)
HOLDALL_REDUCTION(max, most_op)
HOLDALL_REDUCTION(and, and_op)
HOLDALL_REDUCTION(or, or_op)
HOLDALL_REDUCTION(xor, xor_op)
template <typename T>
T simd_prefix_inclusive_sum(T value) { return impl_::scan<impl_::sum_op, true>(value); }
template <typename T>
T simd_prefix_exclusive_sum(T value) { return impl_::scan<impl_::sum_op, false>(value); }
template <typename T>
T simd_prefix_inclusive_product(T value) { return impl_::scan<impl_::product_op, true>(value); }
template <typename T>
T simd_prefix_exclusive_product(T value) { return impl_::scan<impl_::product_op, false>(value); }

template <typename T>
T simd_shuffle(T value, uint from) { return impl_::fetch(__activemask(), value, from % 32); }
template <typename T>
T simd_broadcast(T value, uint from) { return impl_::fetch(__activemask(), value, from % 32); }
template <typename T>
T simd_broadcast_first(T value) {
  unsigned mask = __activemask();
  return impl_::fetch(mask, value, __ffs(mask) - 1);
}
template <typename T>
T simd_shuffle_xor(T value, uint by) { return impl_::fetch(__activemask(), value, impl_::lane() ^ (by % 32)); }
// Beyond the simd group a lane keeps its own.
template <typename T>
T simd_shuffle_up(T value, uint by) {
  unsigned me = impl_::lane();
  return impl_::fetch(__activemask(), value, by <= me ? me - by : me);
}
template <typename T>
T simd_shuffle_down(T value, uint by) {
  unsigned me = impl_::lane();
  return impl_::fetch(__activemask(), value, by < 32 - me ? me + by : me);
}
template <typename T>
T simd_shuffle_rotate_up(T value, uint by) { return impl_::fetch(__activemask(), value, (impl_::lane() - by) % 32); }
template <typename T>
T simd_shuffle_rotate_down(T value, uint by) { return impl_::fetch(__activemask(), value, (impl_::lane() + by) % 32); }
template <typename T>
T simd_shuffle_and_fill_up(T value, T fill, uint by) {
  unsigned me = impl_::lane(), mask = __activemask();
  T inside = impl_::fetch(mask, value, (me - by) % 32), outside = impl_::fetch(mask, fill, (me - by) % 32);
  return by <= me ? inside : outside;
}
template <typename T>
T simd_shuffle_and_fill_down(T value, T fill, uint by) {
  unsigned me = impl_::lane(), mask = __activemask();
  T inside = impl_::fetch(mask, value, (me + by) % 32), outside = impl_::fetch(mask, fill, (me + by) % 32);
  return by < 32 - me ? inside : outside;
}
template <typename T>
T quad_broadcast(T value, uint from) {
  return impl_::fetch(__activemask(), value, (impl_::lane() & ~3u) + from % 4);
}
template <typename T>
T quad_shuffle(T value, uint from) { return quad_broadcast(value, from); }
template <typename T>
T quad_shuffle_xor(T value, uint by) { return impl_::fetch(__activemask(), value, impl_::lane() ^ (by % 4)); }
template <typename T>
T quad_shuffle_up(T value, uint by) {
  unsigned me = impl_::lane();
  return impl_::fetch(__activemask(), value, by <= me % 4 ? me - by : me);
}
template <typename T>
T quad_shuffle_down(T value, uint by) {
  unsigned me = impl_::lane();
  return impl_::fetch(__activemask(), value, by < 4 - me % 4 ? me + by : me);
}
template <typename T>
T quad_sum(T value) { return impl_::quad_reduce<impl_::sum_op>(value); }
template <typename T>
T quad_min(T value) { return impl_::quad_reduce<impl_::least_op>(value); }
template <typename T>
T quad_max(T value) { return impl_::quad_reduce<impl_::most_op>(value); }

inline bool simd_any(bool x) { return __any_sync(__activemask(), x); }
inline bool simd_all(bool x) { return __all_sync(__activemask(), x); }
inline ulong simd_ballot(bool x) { return __ballot_sync(__activemask(), x); }
inline ulong simd_active_threads_mask() { return __activemask(); }
inline bool simd_is_first() { return impl_::lane() == __ffs(__activemask()) - 1; }

// 8×8 matrices: a thread has two neighbours of a row. Four quads of threads make the quarters.
template <typename T, int ROWS = 8, int COLUMNS = 8>
struct simdgroup_matrix {
  static_assert(ROWS == 8 && COLUMNS == 8, "matrices of simd groups are 8 by 8");
  vec<T, 2> elements;

  simdgroup_matrix() = default;
  // The diagonal.
  template <typename A, impl_::if_<impl_::is_number<A>> = 0>
  simdgroup_matrix(A a) : elements(row() == column() ? T(a) : T(0), row() == column() + 1 ? T(a) : T(0)) {}
  static int row() { return ((impl_::lane() >> 2) & 4) + ((impl_::lane() >> 1) & 3); }
  static int column() { return ((impl_::lane() >> 2) & 2) * 2 + (impl_::lane() & 1) * 2; }
  vec<T, 2>& thread_elements() { return elements; }
  const vec<T, 2>& thread_elements() const { return elements; }
};
typedef simdgroup_matrix<float, 8, 8> simdgroup_float8x8;
typedef simdgroup_matrix<half, 8, 8> simdgroup_half8x8;
typedef simdgroup_matrix<bfloat, 8, 8> simdgroup_bfloat8x8;

template <typename T, int R = 8, int C = 8>
simdgroup_matrix<T, R, C> make_filled_simdgroup_matrix(T value) {
  simdgroup_matrix<T, R, C> r;
  r.elements = vec<T, 2>(value);
  return r;
}
template <typename T, int R = 8, int C = 8>
simdgroup_matrix<T, R, C> make_diagonal_simdgroup_matrix(T value) { return simdgroup_matrix<T, R, C>(value); }

template <typename T, typename U>
void simdgroup_load(
    simdgroup_matrix<T>& m, const U* from, long long stride = 8, ulong2 origin = ulong2(0), bool transposed = false) {
  for (int i = 0; i < 2; i++) {
    long long row = m.row(), column = m.column() + i;
    long long x = (transposed ? row : column) + (long long)(origin.x);
    long long y = (transposed ? column : row) + (long long)(origin.y);
    m.elements[i] = T(from[y * stride + x]);
  }
}
template <typename T, typename U>
void simdgroup_store(
    const simdgroup_matrix<T>& m, U* to, long long stride = 8, ulong2 origin = ulong2(0), bool transposed = false) {
  for (int i = 0; i < 2; i++) {
    long long row = m.row(), column = m.column() + i;
    long long x = (transposed ? row : column) + (long long)(origin.x);
    long long y = (transposed ? column : row) + (long long)(origin.y);
    to[y * stride + x] = U(m.elements[i]);
  }
}
// Each element is a chain of fused products in float, rounded once.
template <typename D, typename A, typename C>
void simdgroup_multiply_accumulate(
    simdgroup_matrix<D>& d, const simdgroup_matrix<A>& a, const simdgroup_matrix<A>& b, const simdgroup_matrix<C>& c) {
  unsigned mask = __activemask(), row = d.row(), column = d.column();
  float sums[2] = {float(c.elements.x), float(c.elements.y)};
#pragma unroll
  for (unsigned k = 0; k < 8; k++) {
    unsigned in_a = (k >> 1 & 1) | (row & 3) << 1 | (k >> 2) << 3 | (row >> 2) << 4;
    vec<A, 2> pair = impl_::fetch(mask, a.elements, in_a);
    float left = float(k & 1 ? pair.y : pair.x);
    unsigned in_b = (column >> 1 & 1) | (k & 3) << 1 | (column >> 2) << 3 | (k >> 2) << 4;
    vec<A, 2> right = impl_::fetch(mask, b.elements, in_b);
    sums[0] = __fmaf_rn(left, float(right.x), sums[0]);
    sums[1] = __fmaf_rn(left, float(right.y), sums[1]);
  }
  d.elements = vec<D, 2>(D(sums[0]), D(sums[1]));
}
template <typename D, typename A>
void simdgroup_multiply(simdgroup_matrix<D>& d, const simdgroup_matrix<A>& a, const simdgroup_matrix<A>& b) {
  simdgroup_multiply_accumulate(d, a, b, make_filled_simdgroup_matrix<D>(D(0)));
}

// Integer functions, and the two namespaces of floats.

#define HOLDALL_INTEGER1(NAME, ...)          \
  HOLDALL_OP(NAME, (T x), __VA_ARGS__)       \
  HOLDALL_LIFT1(false, NAME, NAME##_op)
#define HOLDALL_INTEGER2(NAME, ...)          \
  HOLDALL_OP(NAME, (T x, T y), __VA_ARGS__)  \
  HOLDALL_LIFT2(false, NAME, NAME##_op)
#define HOLDALL_INTEGER3(NAME, ...)              \
  HOLDALL_OP(NAME, (T x, T y, T z), __VA_ARGS__) \
  HOLDALL_LIFT3(false, NAME, NAME##_op)

namespace impl_ {
template <typename T>
using unsigned_of = typename integer<T>::unsigned_type;
template <typename T>
inline constexpr int bits_of = sizeof(T) * 8;
template <typename T>
inline constexpr T least = T(unsigned_of<T>(T(-1) < T(0) ? 1ull << (bits_of<T> - 1) : 0));
template <typename T>
inline constexpr T most = T(~unsigned_of<T>(least<T>));

// The upper half of a product.
template <typename T>
T high(T x, T y) {
  if constexpr (sizeof(T) == 8) {
    if constexpr (T(-1) < T(0)) return __mul64hi(x, y);
    else return __umul64hi(x, y);
  } else {
    typedef conditional_t<(T(-1) < T(0)), long long, unsigned long long> wide;
    return T(wide(x) * wide(y) >> bits_of<T>);
  }
}
template <typename T>
T add_saturated(T x, T y) {
  typedef unsigned_of<T> U;
  T sum = T(U(U(x) + U(y)));
  if constexpr (T(-1) < T(0)) {
    bool over = ((x ^ sum) & (y ^ sum)) < 0;
    return over ? (x < 0 ? least<T> : most<T>) : sum;
  } else {
    return sum < x ? most<T> : sum;
  }
}
template <typename T>
T sub_saturated(T x, T y) {
  typedef unsigned_of<T> U;
  T rest = T(U(U(x) - U(y)));
  if constexpr (T(-1) < T(0)) {
    bool over = ((x ^ y) & (x ^ rest)) < 0;
    return over ? (x < 0 ? least<T> : most<T>) : rest;
  } else {
    return x < y ? T(0) : rest;
  }
}
template <typename T>
T bit_field(T x, unsigned offset, unsigned count) {
  constexpr unsigned n = bits_of<T>;
  typedef unsigned_of<T> U;
  offset = offset < n ? offset : n;
  count = count < n - offset ? count : n - offset;
  if (count == 0) return T(0);
  // Up to the end and back, so that the sign comes along.
  return T(T(U(U(x) << (n - offset - count))) >> (n - count));
}
template <typename T>
T put_bit_field(T base, T value, unsigned offset, unsigned count) {
  constexpr unsigned n = bits_of<T>;
  typedef unsigned_of<T> U;
  offset = offset < n ? offset : n;
  count = count < n - offset ? count : n - offset;
  if (count == 0) return base;
  U mask = U(U(U(~U(0)) >> (n - count)) << offset);
  return T((U(base) & U(~mask)) | (U(U(value) << offset) & mask));
}
}  // namespace impl_

HOLDALL_INTEGER1(popcount, return T(__popcll(impl_::unsigned_of<T>(x)));)
HOLDALL_INTEGER1(clz, return T(__clzll((unsigned long long)(impl_::unsigned_of<T>(x))) - (64 - impl_::bits_of<T>));)
HOLDALL_INTEGER1(ctz, return x == 0 ? T(impl_::bits_of<T>) : T(__ffsll((long long)(impl_::unsigned_of<T>(x))) - 1);)
HOLDALL_INTEGER1(
    reverse_bits,
    return T(__brevll((unsigned long long)(impl_::unsigned_of<T>(x))) >> (64 - impl_::bits_of<T>));)
HOLDALL_INTEGER2(mulhi, return impl_::high(x, y);)
HOLDALL_INTEGER2(
    rotate,
    typedef impl_::unsigned_of<T> U; constexpr unsigned n = impl_::bits_of<T>; unsigned by = unsigned(y) & (n - 1);
    return T(U(U(U(x) << by) | U(U(x) >> ((n - by) & (n - 1)))));)
HOLDALL_INTEGER2(addsat, return impl_::add_saturated(x, y);)
HOLDALL_INTEGER2(subsat, return impl_::sub_saturated(x, y);)
HOLDALL_INTEGER2(
    absdiff,
    typedef impl_::unsigned_of<T> U;
    return x < y ? U(U(y) - U(x)) : U(U(x) - U(y));)
HOLDALL_INTEGER2(hadd, return T((x & y) + ((x ^ y) >> 1));)
HOLDALL_INTEGER2(rhadd, return T((x | y) - ((x ^ y) >> 1));)
HOLDALL_INTEGER2(mul24, return T(x * y);)
HOLDALL_INTEGER3(mad24, return T(x * y + z);)
HOLDALL_INTEGER3(madhi, return T(impl_::high(x, y) + z);)
HOLDALL_INTEGER3(madsat, return impl_::add_saturated(T(x * y), z);)

template <typename A, impl_::if_<impl_::operands<A>> = 0>
auto extract_bits(const A& a, uint offset, uint count) {
  typedef typename impl_::arguments<false, A>::element T;
  if constexpr (impl_::size_of<A> == 1) {
    return impl_::bit_field(T(a), offset, count);
  } else {
    vec<T, impl_::size_of<A>> r{};
    for (int i = 0; i < impl_::size_of<A>; i++) r[i] = impl_::bit_field(a[i], offset, count);
    return r;
  }
}
template <typename A, typename B, impl_::if_<impl_::operands<A, B>> = 0>
auto insert_bits(const A& base, const B& value, uint offset, uint count) {
  typedef typename impl_::arguments<false, A, B>::element T;
  if constexpr (impl_::size_of<A> == 1) {
    return impl_::put_bit_field(T(base), T(value), offset, count);
  } else {
    vec<T, impl_::size_of<A>> r{};
    for (int i = 0; i < impl_::size_of<A>; i++) r[i] = impl_::put_bit_field(base[i], value[i], offset, count);
    return r;
  }
}

// What is not here is that of `metal`.
namespace fast {
using namespace metal;
namespace impl_ {
using namespace metal::impl_;
}
HOLDALL_FLOAT1(exp, __expf(x))
HOLDALL_FLOAT1(exp10, __exp10f(x))
HOLDALL_FLOAT1(log, __logf(x))
HOLDALL_FLOAT1(log2, __log2f(x))
HOLDALL_FLOAT1(log10, __log10f(x))
HOLDALL_FLOAT1(sin, __sinf(x))
HOLDALL_FLOAT1(cos, __cosf(x))
HOLDALL_FLOAT1(tan, __tanf(x))
HOLDALL_FLOAT2(pow, __powf(x, y))
HOLDALL_FLOAT2(powr, __powf(x, y))
HOLDALL_FLOAT2(divide, __fdividef(x, y))
template <typename A, typename B, metal::impl_::if_<metal::impl_::operands<A, B>> = 0>
auto sincos(const A& a, B& cosine) { return metal::impl_::with_second<metal::impl_::fast_sincos_op>(a, cosine); }
}  // namespace fast
namespace precise {
using namespace metal;
}
namespace simd {
using namespace metal;
}

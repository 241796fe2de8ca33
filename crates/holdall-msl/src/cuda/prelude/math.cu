// Functions of numbers, component by component. Functions of `half` and `bfloat` are those of `float`, rounded.

namespace impl_ {
// The element type that arguments meet in: that of the vectors, else the scalars' common type.
template <typename A, typename B, bool FLOAT = is_float<A>, bool OTHER = is_float<B>>
struct join {
  typedef decltype(A() + B()) type;
};
template <typename A>
struct join<A, A, false, false> {
  typedef A type;
};
template <typename A>
struct join<A, A, true, true> {
  typedef A type;
};
template <typename A, typename B>
struct join<A, B, true, true> {
  typedef float type;
};
template <typename A, typename B>
struct join<A, B, true, false> {
  typedef A type;
};
template <typename A, typename B>
struct join<A, B, false, true> {
  typedef B type;
};

struct nothing {};
template <typename X, typename A, bool VECTORS>
constexpr auto meeting() {
  typedef typename shape<A>::element E;
  if constexpr (VECTORS && size_of<A> == 1) {
    return X();
  } else if constexpr (is_same_v<X, nothing>) {
    return E();
  } else {
    return typename join<X, E>::type();
  }
}
template <bool VECTORS, typename X, typename A, typename... B>
constexpr auto meeting_all() {
  typedef decltype(meeting<X, A, VECTORS>()) Y;
  if constexpr (sizeof...(B) == 0) {
    return Y();
  } else {
    return meeting_all<VECTORS, Y, B...>();
  }
}
template <bool FLOAT, typename E>
using final_element =
    conditional_t<FLOAT && !is_float<E>, float, conditional_t<is_same_v<E, bool>, int, E>>;

template <bool FLOAT, typename... A>
struct arguments {
  static constexpr bool vectors = (is_vector<A> || ...);
  typedef decltype(meeting_all<vectors, nothing, A...>()) common;
  typedef final_element<FLOAT, common> element;
  static constexpr int n() {
    int most = 1;
    ((most = size_of<A> > most ? size_of<A> : most), ...);
    return most;
  }
};

template <bool FLOAT, typename Op, typename... A>
constexpr auto lift(const A&... a) {
  typedef arguments<FLOAT, A...> G;
  typedef typename G::element E;
  if constexpr (G::n() == 1) {
    return Op::at(E(a)...);
  } else {
    vec<decltype(Op::at(E(pick(a, 0))...)), G::n()> r{};
    for (int i = 0; i < G::n(); i++) r[i] = Op::at(E(pick(a, i))...);
    return r;
  }
}
}  // namespace impl_

#define HOLDALL_LIFT1(FLOAT, NAME, OP)                             \
  template <typename A, impl_::if_<impl_::operands<A>> = 0>        \
  constexpr auto NAME(const A& a) { return impl_::lift<FLOAT, impl_::OP>(a); }
#define HOLDALL_LIFT2(FLOAT, NAME, OP)                                            \
  template <typename A, typename B, impl_::if_<impl_::operands<A, B>> = 0>        \
  constexpr auto NAME(const A& a, const B& b) { return impl_::lift<FLOAT, impl_::OP>(a, b); }
#define HOLDALL_LIFT3(FLOAT, NAME, OP)                                                           \
  template <typename A, typename B, typename C, impl_::if_<impl_::operands<A, B, C>> = 0>        \
  constexpr auto NAME(const A& a, const B& b, const C& c) { return impl_::lift<FLOAT, impl_::OP>(a, b, c); }

// Functions of float: of `x`, and `y`, `z`.
#define HOLDALL_FLOAT1(NAME, ...)                             \
  namespace impl_ {                                           \
  struct NAME##_op {                                          \
    template <typename T>                                     \
    static T at(T v) {                                        \
      float x = float(v);                                     \
      return T(__VA_ARGS__);                                  \
    }                                                         \
  };                                                          \
  }                                                           \
  HOLDALL_LIFT1(true, NAME, NAME##_op)
#define HOLDALL_FLOAT2(NAME, ...)                             \
  namespace impl_ {                                           \
  struct NAME##_op {                                          \
    template <typename T>                                     \
    static T at(T v, T u) {                                   \
      float x = float(v), y = float(u);                       \
      return T(__VA_ARGS__);                                  \
    }                                                         \
  };                                                          \
  }                                                           \
  HOLDALL_LIFT2(true, NAME, NAME##_op)

HOLDALL_FLOAT1(floor, ::floorf(x))
HOLDALL_FLOAT1(ceil, ::ceilf(x))
HOLDALL_FLOAT1(trunc, ::truncf(x))
HOLDALL_FLOAT1(round, ::roundf(x))
HOLDALL_FLOAT1(rint, ::rintf(x))
HOLDALL_FLOAT1(sqrt, ::sqrtf(x))
HOLDALL_FLOAT1(rsqrt, ::rsqrtf(x))
HOLDALL_FLOAT1(exp, ::expf(x))
HOLDALL_FLOAT1(exp2, ::exp2f(x))
HOLDALL_FLOAT1(exp10, ::exp10f(x))
HOLDALL_FLOAT1(expm1, ::expm1f(x))
HOLDALL_FLOAT1(log, ::logf(x))
HOLDALL_FLOAT1(log2, ::log2f(x))
HOLDALL_FLOAT1(log10, ::log10f(x))
HOLDALL_FLOAT1(log1p, ::log1pf(x))
HOLDALL_FLOAT1(sin, ::sinf(x))
HOLDALL_FLOAT1(cos, ::cosf(x))
HOLDALL_FLOAT1(tan, ::tanf(x))
HOLDALL_FLOAT1(asin, ::asinf(x))
HOLDALL_FLOAT1(acos, ::acosf(x))
HOLDALL_FLOAT1(atan, ::atanf(x))
HOLDALL_FLOAT1(sinh, ::sinhf(x))
HOLDALL_FLOAT1(cosh, ::coshf(x))
HOLDALL_FLOAT1(tanh, ::tanhf(x))
HOLDALL_FLOAT1(asinh, ::asinhf(x))
HOLDALL_FLOAT1(acosh, ::acoshf(x))
HOLDALL_FLOAT1(atanh, ::atanhf(x))
HOLDALL_FLOAT1(sinpi, ::sinpif(x))
HOLDALL_FLOAT1(cospi, ::cospif(x))
HOLDALL_FLOAT1(tanpi, ::sinpif(x) / ::cospif(x))
HOLDALL_FLOAT2(atan2, ::atan2f(x, y))
HOLDALL_FLOAT2(pow, ::powf(x, y))
HOLDALL_FLOAT2(powr, x < 0 ? __uint_as_float(0x7fc00000u) : ::powf(x, y))
HOLDALL_FLOAT2(fmod, ::fmodf(x, y))
HOLDALL_FLOAT2(fmin, ::fminf(x, y))
HOLDALL_FLOAT2(fmax, ::fmaxf(x, y))
HOLDALL_FLOAT2(copysign, ::copysignf(x, y))
HOLDALL_FLOAT2(divide, x / y)

#define HOLDALL_TEST(NAME, ...)                   \
  namespace impl_ {                               \
  struct NAME##_op {                              \
    template <typename T>                         \
    static bool at(T v) {                         \
      float x = float(v);                         \
      return __VA_ARGS__;                         \
    }                                             \
  };                                              \
  }                                               \
  HOLDALL_LIFT1(true, NAME, NAME##_op)
HOLDALL_TEST(isnan, x != x)
HOLDALL_TEST(isinf, ::fabsf(x) == __uint_as_float(0x7f800000u))
HOLDALL_TEST(isfinite, ::fabsf(x) < __uint_as_float(0x7f800000u))
// The least normal `half` is not the least normal `float`.
HOLDALL_TEST(
    isnormal,
    ::fabsf(x) < __uint_as_float(0x7f800000u) &&
        ::fabsf(x) >= (is_same_v<T, half> ? __uint_as_float(0x38800000u) : __uint_as_float(0x00800000u)))
HOLDALL_TEST(signbit, (__float_as_uint(x) >> 31) != 0)

#define HOLDALL_OP(NAME, PARAMETERS, ...)         \
  namespace impl_ {                               \
  struct NAME##_op {                              \
    template <typename T>                         \
    static constexpr auto at PARAMETERS {         \
      __VA_ARGS__                                 \
    }                                             \
  };                                              \
  }
HOLDALL_OP(min, (T a, T b), if constexpr (is_float<T>) return T(::fminf(a, b)); else return b < a ? b : a;)
HOLDALL_OP(max, (T a, T b), if constexpr (is_float<T>) return T(::fmaxf(a, b)); else return a < b ? b : a;)
HOLDALL_LIFT2(false, min, min_op)
HOLDALL_LIFT2(false, max, max_op)
HOLDALL_OP(min3, (T a, T b, T c), return min_op::at(min_op::at(a, b), c);)
HOLDALL_OP(max3, (T a, T b, T c), return max_op::at(max_op::at(a, b), c);)
HOLDALL_OP(
    median3,
    (T a, T b, T c),
    return max_op::at(min_op::at(a, b), min_op::at(max_op::at(a, b), c));)
HOLDALL_LIFT3(false, min, min3_op)
HOLDALL_LIFT3(false, max, max3_op)
HOLDALL_LIFT3(false, min3, min3_op)
HOLDALL_LIFT3(false, max3, max3_op)
HOLDALL_LIFT3(false, median3, median3_op)
HOLDALL_LIFT3(true, fmin3, min3_op)
HOLDALL_LIFT3(true, fmax3, max3_op)
HOLDALL_LIFT3(true, fmedian3, median3_op)
HOLDALL_OP(clamp, (T x, T low, T high), return min_op::at(max_op::at(x, low), high);)
HOLDALL_LIFT3(false, clamp, clamp_op)
HOLDALL_OP(saturate, (T x), return min_op::at(max_op::at(x, T(0)), T(1));)
HOLDALL_LIFT1(true, saturate, saturate_op)
HOLDALL_OP(
    abs,
    (T x),
    if constexpr (is_same_v<T, float>) return ::fabsf(x);
    else if constexpr (format16<T>::value) return T::from_bits(x.bits & 0x7fff);
    else return T(x < T(0) ? T(-x) : x);)
HOLDALL_LIFT1(false, abs, abs_op)
HOLDALL_LIFT1(true, fabs, abs_op)
// Zeros keep their sign, NaN gives zero.
HOLDALL_OP(sign, (T x), return x > T(0) ? T(1) : x < T(0) ? T(-1) : x == x ? x : T(0);)
HOLDALL_LIFT1(false, sign, sign_op)
HOLDALL_OP(mix, (T a, T b, T t), return T(a + T(T(b - a) * t));)
HOLDALL_LIFT3(true, mix, mix_op)
HOLDALL_OP(step, (T edge, T x), return x < edge ? T(0) : T(1);)
HOLDALL_LIFT2(true, step, step_op)
HOLDALL_OP(
    smoothstep,
    (T low, T high, T x),
    T t = saturate_op::at(T(T(x - low) / T(high - low)));
    return T(T(t * t) * T(T(3) - T(T(2) * t)));)
HOLDALL_LIFT3(true, smoothstep, smoothstep_op)
// Never 1, which tiny negative numbers would give.
HOLDALL_OP(
    fract,
    (T x),
    constexpr float below = is_same_v<T, half> ? 0.99951171875f : is_same_v<T, bfloat> ? 0.99609375f : 0x1.fffffep-1f;
    return min_op::at(T(x - T(::floorf(x))), T(below));)
HOLDALL_LIFT1(true, fract, fract_op)
HOLDALL_OP(fdim, (T a, T b), return a > b ? T(a - b) : T(0);)
HOLDALL_LIFT2(true, fdim, fdim_op)
HOLDALL_OP(isordered, (T a, T b), return a == a && b == b;)
HOLDALL_OP(isunordered, (T a, T b), return a != a || b != b;)
HOLDALL_LIFT2(true, isordered, isordered_op)
HOLDALL_LIFT2(true, isunordered, isunordered_op)
HOLDALL_OP(ilogb, (T x), return ::ilogbf(x);)
HOLDALL_LIFT1(true, ilogb, ilogb_op)
HOLDALL_OP(mad, (T a, T b, T c), return T(T(a * b) + c);)
HOLDALL_LIFT3(false, mad, mad_op)
HOLDALL_OP(
    fma,
    (T a, T b, T c),
    if constexpr (is_same_v<T, float>) return __fmaf_rn(a, b, c);
    else return T::from_bits(format16<T>::format::fma(a.bits, b.bits, c.bits));)
HOLDALL_LIFT3(true, fma, fma_op)
HOLDALL_OP(
    nextafter,
    (T x, T to),
    if constexpr (is_same_v<T, float>) {
      return ::nextafterf(x, to);
    } else {
      if (x != x || to != to) return T(__uint_as_float(0x7fc00000u));
      if (x == to) return to;
      if (x == T(0)) return T::from_bits(to < T(0) ? 0x8001 : 1);
      return T::from_bits((to > x) == (x > T(0)) ? x.bits + 1 : x.bits - 1);
    })
HOLDALL_LIFT2(true, nextafter, nextafter_op)

namespace impl_ {
template <typename Op, typename A, typename B>
constexpr auto with_int(const A& a, const B& b) {
  typedef final_element<true, typename shape<A>::element> E;
  if constexpr (size_of<A> == 1) {
    return Op::at(E(a), int(b));
  } else {
    vec<E, size_of<A>> r{};
    for (int i = 0; i < size_of<A>; i++) r[i] = Op::at(E(a[i]), int(pick(b, i)));
    return r;
  }
}
struct ldexp_op {
  template <typename T>
  static T at(T x, int n) { return T(::ldexpf(float(x), n)); }
};
// Sets the second value, too.
template <typename Op, typename A, typename B>
auto with_second(const A& a, B& second) {
  typedef final_element<true, typename shape<A>::element> E;
  if constexpr (size_of<A> == 1) {
    auto part = typename Op::template second<E>();
    E r = Op::at(E(a), part);
    second = B(part);
    return r;
  } else {
    vec<E, size_of<A>> r{};
    for (int i = 0; i < size_of<A>; i++) {
      auto part = typename Op::template second<E>();
      r[i] = Op::at(E(a[i]), part);
      second[i] = part;
    }
    return r;
  }
}
struct sincos_op {
  template <typename T>
  using second = T;
  template <typename T>
  static T at(T x, T& cosine) {
    float s, c;
    ::sincosf(float(x), &s, &c);
    cosine = T(c);
    return T(s);
  }
};
struct fast_sincos_op : sincos_op {
  template <typename T>
  static T at(T x, T& cosine) {
    cosine = T(__cosf(float(x)));
    return T(__sinf(float(x)));
  }
};
struct modf_op {
  template <typename T>
  using second = T;
  template <typename T>
  static T at(T x, T& whole) {
    whole = T(::truncf(float(x)));
    return T(::copysignf(float(T(x - whole)), float(x)));
  }
};
struct frexp_op {
  template <typename T>
  using second = int;
  template <typename T>
  static T at(T x, int& exponent) { return T(::frexpf(float(x), &exponent)); }
};
}  // namespace impl_

template <typename A, typename B, impl_::if_<impl_::operands<A, B>> = 0>
auto ldexp(const A& a, const B& b) { return impl_::with_int<impl_::ldexp_op>(a, b); }
template <typename A, typename B, impl_::if_<impl_::operands<A, B>> = 0>
auto sincos(const A& a, B& cosine) { return impl_::with_second<impl_::sincos_op>(a, cosine); }
template <typename A, typename B, impl_::if_<impl_::operands<A, B>> = 0>
auto modf(const A& a, B& whole) { return impl_::with_second<impl_::modf_op>(a, whole); }
template <typename A, typename B, impl_::if_<impl_::operands<A, B>> = 0>
auto frexp(const A& a, B& exponent) { return impl_::with_second<impl_::frexp_op>(a, exponent); }

// The second where the condition is true; of integers for vectors, where their highest bit is set.
template <typename A, typename B, typename C, impl_::if_<impl_::operands<A, B, C>> = 0>
constexpr auto select(const A& a, const B& b, const C& c) {
  if constexpr (impl_::size_of<C> == 1 && impl_::size_of<A> == 1 && impl_::size_of<B> == 1) {
    typedef typename impl_::join<A, B>::type T;
    return c ? T(b) : T(a);
  } else {
    typedef impl_::arguments<false, A, B> G;
    typedef typename G::common T;
    vec<T, G::n()> r{};
    for (int i = 0; i < G::n(); i++) {
      auto test = impl_::pick(c, i);
      bool chosen = bool(test);
      if constexpr (!is_same_v<decltype(test), bool> && impl_::size_of<C> != 1) chosen = test < 0;
      r[i] = chosen ? T(impl_::pick(b, i)) : T(impl_::pick(a, i));
    }
    return r;
  }
}

template <typename A, impl_::if_<impl_::operands<A>> = 0>
constexpr bool any(const A& a) {
  bool r = false;
  for (int i = 0; i < impl_::size_of<A>; i++) r = r || bool(impl_::pick(a, i));
  return r;
}
template <typename A, impl_::if_<impl_::operands<A>> = 0>
constexpr bool all(const A& a) {
  bool r = true;
  for (int i = 0; i < impl_::size_of<A>; i++) r = r && bool(impl_::pick(a, i));
  return r;
}

// Geometry: products and sums from the first component to the last.
template <typename A, typename B, impl_::if_<impl_::operands<A, B>> = 0>
constexpr auto dot(const A& a, const B& b) {
  typedef typename impl_::arguments<false, A, B>::element T;
  T sum = T(T(impl_::pick(a, 0)) * T(impl_::pick(b, 0)));
  for (int i = 1; i < impl_::arguments<false, A, B>::n(); i++) {
    sum = T(sum + T(T(impl_::pick(a, i)) * T(impl_::pick(b, i))));
  }
  return sum;
}
template <typename A, impl_::if_<impl_::operands<A>> = 0>
auto length_squared(const A& a) { return dot(a, a); }
template <typename A, impl_::if_<impl_::operands<A>> = 0>
auto length(const A& a) { return sqrt(dot(a, a)); }
template <typename A, typename B, impl_::if_<impl_::operands<A, B>> = 0>
auto distance(const A& a, const B& b) { return length(a - b); }
template <typename A, typename B, impl_::if_<impl_::operands<A, B>> = 0>
auto distance_squared(const A& a, const B& b) { return length_squared(a - b); }
template <typename A, impl_::if_<impl_::operands<A>> = 0>
auto normalize(const A& a) { return a * rsqrt(dot(a, a)); }
template <typename A, typename B, impl_::if_<impl_::size_of<A> == 3 && impl_::size_of<B> == 3> = 0>
constexpr auto cross(const A& a, const B& b) {
  typedef typename A::element T;
  return vec<T, 3>(
      T(T(a.y * b.z) - T(a.z * b.y)), T(T(a.z * b.x) - T(a.x * b.z)), T(T(a.x * b.y) - T(a.y * b.x)));
}
template <typename A, typename B, impl_::if_<impl_::operands<A, B>> = 0>
auto reflect(const A& a, const B& n) { return a - (dot(n, a) * typename impl_::shape<A>::element(2)) * n; }
template <typename A, typename B, typename C, impl_::if_<impl_::operands<A, B, C>> = 0>
auto faceforward(const A& n, const B& i, const C& ref) { return dot(ref, i) < 0 ? n : A(-n); }

// Scalar types of the language and questions about types. All of it is in the namespace `metal`; `impl_` is private.

typedef signed char int8_t;
typedef unsigned char uint8_t;
typedef unsigned char uchar;
typedef short int16_t;
typedef unsigned short uint16_t;
typedef unsigned short ushort;
typedef int int32_t;
typedef unsigned int uint32_t;
typedef unsigned int uint;
typedef long long int64_t;
typedef unsigned long long uint64_t;
typedef unsigned long long ulong;
typedef unsigned long long size_t;
typedef long long ptrdiff_t;
typedef unsigned long long uintptr_t;
typedef long long intptr_t;

template <typename T, T V>
struct integral_constant {
  static constexpr T value = V;
  typedef T value_type;
  constexpr operator T() const { return V; }
};
template <bool V>
using bool_constant = integral_constant<bool, V>;
typedef bool_constant<true> true_type;
typedef bool_constant<false> false_type;

template <bool C, typename T = void>
struct enable_if {};
template <typename T>
struct enable_if<true, T> {
  typedef T type;
};
template <bool C, typename T = void>
using enable_if_t = typename enable_if<C, T>::type;

template <bool C, typename A, typename B>
struct conditional {
  typedef A type;
};
template <typename A, typename B>
struct conditional<false, A, B> {
  typedef B type;
};
template <bool C, typename A, typename B>
using conditional_t = typename conditional<C, A, B>::type;

template <typename T>
struct remove_reference {
  typedef T type;
};
template <typename T>
struct remove_reference<T&> {
  typedef T type;
};
template <typename T>
struct remove_reference<T&&> {
  typedef T type;
};
template <typename T>
using remove_reference_t = typename remove_reference<T>::type;

template <typename T>
struct remove_cv {
  typedef T type;
};
template <typename T>
struct remove_cv<const T> {
  typedef T type;
};
template <typename T>
struct remove_cv<volatile T> {
  typedef T type;
};
template <typename T>
struct remove_cv<const volatile T> {
  typedef T type;
};
template <typename T>
using remove_cv_t = typename remove_cv<T>::type;
template <typename T>
using decay_t = remove_cv_t<remove_reference_t<T>>;

template <typename A, typename B>
struct is_same : false_type {};
template <typename A>
struct is_same<A, A> : true_type {};
template <typename A, typename B>
inline constexpr bool is_same_v = is_same<A, B>::value;

template <typename T, int N>
struct vec;
template <typename T, int N>
struct packed_vec;

namespace impl_ {
template <bool C>
using if_ = enable_if_t<C, int>;

template <typename T>
struct integer : false_type {};
#define HOLDALL_INTEGER(T, UNSIGNED, SIGNED) \
  template <>                                \
  struct integer<T> : true_type {            \
    typedef UNSIGNED unsigned_type;          \
    typedef SIGNED signed_type;              \
  };
HOLDALL_INTEGER(bool, unsigned char, signed char)
HOLDALL_INTEGER(char, unsigned char, signed char)
HOLDALL_INTEGER(signed char, unsigned char, signed char)
HOLDALL_INTEGER(unsigned char, unsigned char, signed char)
HOLDALL_INTEGER(short, unsigned short, short)
HOLDALL_INTEGER(unsigned short, unsigned short, short)
HOLDALL_INTEGER(int, unsigned int, int)
HOLDALL_INTEGER(unsigned int, unsigned int, int)
HOLDALL_INTEGER(long, unsigned long long, long long)
HOLDALL_INTEGER(unsigned long, unsigned long long, long long)
HOLDALL_INTEGER(long long, unsigned long long, long long)
HOLDALL_INTEGER(unsigned long long, unsigned long long, long long)

template <typename T>
inline constexpr bool is_plain = integer<T>::value || is_same_v<T, float> || is_same_v<T, double>;

// The two formats of 16 bits. Conversion from float rounds to nearest even.
struct half_format {
  static constexpr unsigned short slow(float x) {
    unsigned u = __builtin_bit_cast(unsigned, x), sign = u >> 16 & 0x8000u, size = u & 0x7fffffffu;
    if (size > 0x7f800000u) return sign | 0x7e00u;
    if (size >= 0x477ff000u) return sign | 0x7c00u;
    if (size < 0x33000001u) return sign;
    int shift = size < 0x38800000u ? 126 - int(size >> 23) : 13;
    unsigned value = size < 0x38800000u ? (size & 0x7fffffu) | 0x800000u : size - 0x38000000u;
    unsigned kept = value >> shift, rest = value & ((1u << shift) - 1), middle = 1u << (shift - 1);
    return sign | (kept + (rest > middle || (rest == middle && (kept & 1))));
  }
  static constexpr float slow_float(unsigned short b) {
    unsigned sign = unsigned(b & 0x8000) << 16, exponent = b >> 10 & 31, rest = b & 0x3ff;
    if (exponent == 31) return __builtin_bit_cast(float, sign | 0x7f800000u | rest << 13);
    float size = exponent ? __builtin_bit_cast(float, (exponent + 112) << 23 | rest << 13)
                          : float(rest) * __builtin_bit_cast(float, 0x33800000u);
    return sign ? -size : size;
  }
  static unsigned short fast(float x) {
    unsigned short b;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(b) : "f"(x));
    return b;
  }
  static float fast_float(unsigned short b) {
    float x;
    asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(b));
    return x;
  }
  static constexpr unsigned short from_float(float x) {
    return __builtin_is_constant_evaluated() ? slow(x) : fast(x);
  }
  static constexpr float to_float(unsigned short b) {
    return __builtin_is_constant_evaluated() ? slow_float(b) : fast_float(b);
  }
  // Integers that a float cannot hold are infinite here.
  template <typename I>
  static constexpr unsigned short from_integer(I i) {
    return from_float(float(i));
  }
  static unsigned short fma(unsigned short a, unsigned short b, unsigned short c) {
    unsigned short r;
    asm("fma.rn.f16 %0, %1, %2, %3;" : "=h"(r) : "h"(a), "h"(b), "h"(c));
    return r;
  }
#define HOLDALL_NATIVE(NAME, TEXT)                                    \
  static unsigned short NAME(unsigned short a, unsigned short b) {    \
    unsigned short r;                                                 \
    asm(TEXT " %0, %1, %2;" : "=h"(r) : "h"(a), "h"(b));              \
    return r;                                                         \
  }
  static constexpr bool is_native = true;
  HOLDALL_NATIVE(add, "add.rn.f16")
  HOLDALL_NATIVE(sub, "sub.rn.f16")
  HOLDALL_NATIVE(mul, "mul.rn.f16")
};

struct bfloat_format {
  static constexpr unsigned short slow(float x) {
    unsigned u = __builtin_bit_cast(unsigned, x);
    if ((u & 0x7fffffffu) > 0x7f800000u) return u >> 16 | 0x40u;
    return (u + 0x7fffu + (u >> 16 & 1)) >> 16;
  }
  static unsigned short fast(float x) {
    unsigned short b;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(b) : "f"(x));
    return b;
  }
  static constexpr unsigned short from_float(float x) {
    return __builtin_is_constant_evaluated() ? slow(x) : fast(x);
  }
  static constexpr float to_float(unsigned short b) { return __builtin_bit_cast(float, unsigned(b) << 16); }
  // Through a float that was rounded to odd, so that long integers are not rounded twice.
  template <typename I>
  static constexpr unsigned short from_integer(I i) {
    if (__builtin_is_constant_evaluated() || sizeof(I) < 4) return from_float(float(i));
    unsigned long long size = i < 0 ? 0 - (unsigned long long)(i) : (unsigned long long)(i);
    unsigned odd = __float_as_uint(__ull2float_rz(size));
    odd |= (unsigned long long)(__uint_as_float(odd)) != size;
    return from_float(__uint_as_float(i < 0 ? odd | 0x80000000u : odd));
  }
  static unsigned short fma(unsigned short a, unsigned short b, unsigned short c) {
    unsigned short r;
    asm("fma.rn.bf16 %0, %1, %2, %3;" : "=h"(r) : "h"(a), "h"(b), "h"(c));
    return r;
  }
#if __CUDA_ARCH__ >= 900
  static constexpr bool is_native = true;
  HOLDALL_NATIVE(add, "add.rn.bf16")
  HOLDALL_NATIVE(sub, "sub.rn.bf16")
  HOLDALL_NATIVE(mul, "mul.rn.bf16")
#else
  static constexpr bool is_native = false;
  static unsigned short add(unsigned short a, unsigned short) { return a; }
  static unsigned short sub(unsigned short a, unsigned short) { return a; }
  static unsigned short mul(unsigned short a, unsigned short) { return a; }
#endif
};

// A float of 16 bits. Each operation is rounded: in float and then to 16 bits is as good as at once.
template <typename F>
struct float16 {
  unsigned short bits;

  float16() = default;
  template <typename A, if_<is_plain<A>> = 0>
  constexpr float16(A a) : bits(convert(a)) {}
  template <typename G>
  constexpr float16(float16<G> a) : bits(F::from_float(float(a))) {}

  template <typename A>
  static constexpr unsigned short convert(A a) {
    if constexpr (integer<A>::value) {
      return F::from_integer(a);
    } else {
      return F::from_float(float(a));
    }
  }
  static constexpr float16 from_bits(unsigned short b) {
    float16 r{};
    r.bits = b;
    return r;
  }
  constexpr operator float() const { return F::to_float(bits); }
  constexpr float16 operator-() const { return from_bits(bits ^ 0x8000); }
  constexpr float16 operator+() const { return *this; }
  template <typename B>
  constexpr float16& operator+=(B b) { return *this = float16(*this + b); }
  template <typename B>
  constexpr float16& operator-=(B b) { return *this = float16(*this - b); }
  template <typename B>
  constexpr float16& operator*=(B b) { return *this = float16(*this * b); }
  template <typename B>
  constexpr float16& operator/=(B b) { return *this = float16(*this / b); }
  constexpr float16& operator++() { return *this += 1; }
  constexpr float16& operator--() { return *this -= 1; }
  constexpr float16 operator++(int) {
    float16 old = *this;
    *this += 1;
    return old;
  }
  constexpr float16 operator--(int) {
    float16 old = *this;
    *this -= 1;
    return old;
  }
};

#define HOLDALL_ARITHMETIC16(OP, NAME)                                                             \
  template <typename F>                                                                            \
  constexpr float16<F> operator OP(float16<F> a, float16<F> b) {                                   \
    if (F::is_native && !__builtin_is_constant_evaluated()) {                                      \
      return float16<F>::from_bits(F::NAME(a.bits, b.bits));                                       \
    }                                                                                              \
    return float16<F>(float(a) OP float(b));                                                       \
  }
HOLDALL_ARITHMETIC16(+, add)
HOLDALL_ARITHMETIC16(-, sub)
HOLDALL_ARITHMETIC16(*, mul)
template <typename F>
constexpr float16<F> operator/(float16<F> a, float16<F> b) {
  return float16<F>(float(a) / float(b));
}

// An integer becomes what it meets. With `float`, and where the two formats meet, the operators of `float` apply.
#define HOLDALL_MIXED16(OP, RESULT)                                                \
  template <typename F, typename I, if_<integer<I>::value> = 0>                    \
  constexpr RESULT operator OP(float16<F> a, I b) { return a OP float16<F>(b); }   \
  template <typename F, typename I, if_<integer<I>::value> = 0>                    \
  constexpr RESULT operator OP(I a, float16<F> b) { return float16<F>(a) OP b; }
HOLDALL_MIXED16(+, float16<F>)
HOLDALL_MIXED16(-, float16<F>)
HOLDALL_MIXED16(*, float16<F>)
HOLDALL_MIXED16(/, float16<F>)
HOLDALL_MIXED16(==, bool)
HOLDALL_MIXED16(!=, bool)
HOLDALL_MIXED16(<, bool)
HOLDALL_MIXED16(>, bool)
HOLDALL_MIXED16(<=, bool)
HOLDALL_MIXED16(>=, bool)

template <typename T>
struct format16 : false_type {};
template <typename F>
struct format16<float16<F>> : true_type {
  typedef F format;
};
template <typename T>
inline constexpr bool is_float = is_same_v<T, float> || is_same_v<T, double> || format16<T>::value;
template <typename T>
inline constexpr bool is_number = is_plain<T> || format16<T>::value;

// The two last operands of `?:` are written `(a, branch{})`, the whole `settle(c ? … : …)`: as classes, the formats of
// 16 bits would have no common type with what converts to them.
struct branch {};
#define HOLDALL_ARM(TYPE)                                    \
  TYPE value;                                                \
  constexpr operator TYPE() const { return value; }          \
  template <typename U, int N>                               \
  constexpr operator vec<U, N>() const { return vec<U, N>(value); }
template <typename T>
struct arm16 {
  T value;
  constexpr operator float() const { return value; }
  template <typename U, int N>
  constexpr operator vec<U, N>() const { return vec<U, N>(value); }
};
template <typename I>
struct arm_integer {
  HOLDALL_ARM(I)
  template <typename T>
  constexpr operator arm16<T>() const { return arm16<T>{T(value)}; }
};
struct arm_float {
  HOLDALL_ARM(float)
  constexpr arm_float(float x) : value(x) {}
  template <typename T>
  constexpr arm_float(arm16<T> x) : value(x) {}
  template <typename T>
  constexpr arm_float(arm_integer<T> x) : value(float(x.value)) {}
};
template <typename T, typename U = decay_t<T>>
struct arm {
  typedef conditional_t<integer<U>::value, arm_integer<U>, T&&> type;
};
template <typename T, typename F>
struct arm<T, float16<F>> {
  typedef arm16<float16<F>> type;
};
template <typename T>
struct arm<T, float> {
  typedef arm_float type;
};
template <typename U>
struct arm<void, U> {};
template <typename T>
constexpr typename arm<T>::type operator,(T&& value, branch) {
  typedef typename arm<T>::type A;
  if constexpr (is_number<decay_t<T>> && !is_same_v<decay_t<T>, double>) {
    return A{value};
  } else {
    return static_cast<A>(value);
  }
}
template <typename T>
constexpr T settle(T&& value) { return static_cast<T&&>(value); }
template <typename T>
constexpr T settle(arm16<T> value) { return value.value; }
template <typename T>
constexpr T settle(arm_integer<T> value) { return value.value; }
constexpr float settle(arm_float value) { return value.value; }
inline void settle(branch) {}
}  // namespace impl_

typedef impl_::float16<impl_::half_format> half;
typedef impl_::float16<impl_::bfloat_format> bfloat;
typedef half float16_t;
typedef bfloat bfloat16_t;
typedef float float32_t;

template <typename T>
inline constexpr bool is_integral_v = impl_::integer<remove_cv_t<T>>::value;
template <typename T>
inline constexpr bool is_floating_point_v = impl_::is_float<remove_cv_t<T>>;
template <typename T>
inline constexpr bool is_arithmetic_v = impl_::is_number<remove_cv_t<T>>;
template <typename T>
inline constexpr bool is_scalar_v = is_arithmetic_v<T>;
template <typename T>
inline constexpr bool is_unsigned_v = is_integral_v<T> && !(remove_cv_t<T>(-1) < remove_cv_t<T>(0));
template <typename T>
inline constexpr bool is_signed_v = is_arithmetic_v<T> && !is_unsigned_v<T>;
template <typename T>
struct is_integral : bool_constant<is_integral_v<T>> {};
template <typename T>
struct is_floating_point : bool_constant<is_floating_point_v<T>> {};
template <typename T>
struct is_arithmetic : bool_constant<is_arithmetic_v<T>> {};
template <typename T>
struct is_scalar : bool_constant<is_scalar_v<T>> {};
template <typename T>
struct is_unsigned : bool_constant<is_unsigned_v<T>> {};
template <typename T>
struct is_signed : bool_constant<is_signed_v<T>> {};
template <typename T>
struct make_unsigned {
  typedef typename impl_::integer<T>::unsigned_type type;
};
template <typename T>
struct make_signed {
  typedef typename impl_::integer<T>::signed_type type;
};
template <typename T>
using make_unsigned_t = typename make_unsigned<T>::type;
template <typename T>
using make_signed_t = typename make_signed<T>::type;

template <typename To, typename From>
constexpr To as_type(From value) {
  static_assert(sizeof(To) == sizeof(From), "as_type takes a type of the same size");
  return __builtin_bit_cast(To, value);
}

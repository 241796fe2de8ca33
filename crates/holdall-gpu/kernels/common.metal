// What every kernel may use: indices, conversions, and the functions of elementwise ops that Metal does not have. 16-bit floats
// are widened before and rounded after, so functions are of float, complex numbers, integers and bool.

#include <metal_stdlib>
using namespace metal;

// The index of a thread in a grid of rows of 2^30.
template <typename I>
inline I holdall_index(uint3 position) {
  return I(position.x) + (I(position.y) << 30);
}

// Conversions, as the CPU does them: truncation, out of range the smallest number of 32 or 64 bits, whose low bits remain.

inline int holdall_to_int(float x) {
  return x >= -2147483648.0f && x < 2147483648.0f ? int(x) : INT_MIN;
}

inline long holdall_to_long(float x) {
  return x >= -9223372036854775808.0f && x < 9223372036854775808.0f ? long(x) : LONG_MIN;
}

inline ulong holdall_to_ulong(float x) {
  if (x < 0.0f) {
    return ulong(holdall_to_long(x));
  }
  return x >= 18446744073709551616.0f ? ULONG_MAX : (x == x ? ulong(x) : 0);
}

// What arithmetic is done in: float for 16-bit floats.
template <typename T>
struct holdall_wide {
  typedef T type;
};
template <>
struct holdall_wide<half> {
  typedef float type;
};
template <>
struct holdall_wide<bfloat> {
  typedef float type;
};

// Powers.

template <typename T>
inline T holdall_pow(T base, T exponent) {
  if (exponent < T(0)) {
    return T(0);
  }
  T out = T(1);
  while (exponent != T(0)) {
    if ((exponent & T(1)) != T(0)) {
      out = T(out * base);
    }
    base = T(base * base);
    exponent = T(exponent >> 1);
  }
  return out;
}
inline bool holdall_pow(bool base, bool exponent) { return base || !exponent; }
inline float holdall_pow(float base, float exponent) { return metal::precise::pow(base, exponent); }

// Division. An integer divided by 0 is 0, and modulo 0 is itself.

template <typename T>
inline T holdall_floor_divide(T a, T b) {
  if (b == T(0)) {
    return T(0);
  }
  if (b == T(-1) && T(-1) < T(0)) {
    return T(T(0) - a);
  }
  T q = T(a / b);
  T r = T(a % b);
  return r != T(0) && T(r ^ b) < T(0) ? T(q - T(1)) : q;
}
inline bool holdall_floor_divide(bool a, bool b) { return a && b; }
inline float holdall_floor_divide(float a, float b) { return metal::floor(a / b); }

template <typename T>
inline T holdall_remainder(T a, T b) {
  if (b == T(0)) {
    return a;
  }
  if (b == T(-1) && T(-1) < T(0)) {
    return T(0);
  }
  T r = T(a % b);
  return r != T(0) && T(r ^ b) < T(0) ? T(r + b) : r;
}
inline bool holdall_remainder(bool a, bool b) { return a && !b; }
inline float holdall_remainder(float a, float b) {
  float r = metal::fmod(a, b);
  return r != 0.0f && (r < 0.0f) != (b < 0.0f) ? r + b : r;
}

// Order.

template <typename T>
inline T holdall_maximum(T a, T b) {
  return a > b ? a : b;
}
inline float holdall_maximum(float a, float b) { return a != a ? a : (a > b ? a : b); }

template <typename T>
inline T holdall_minimum(T a, T b) {
  return a < b ? a : b;
}
inline float holdall_minimum(float a, float b) { return a != a ? a : (a < b ? a : b); }

template <typename T>
inline T holdall_abs(T x) {
  return x < T(0) ? T(T(0) - x) : x;
}
inline bool holdall_abs(bool x) { return x; }
inline float holdall_abs(float x) { return metal::fabs(x); }

template <typename T>
inline T holdall_sign(T x) {
  return T(int(x > T(0)) - int(x < T(0)));
}
inline bool holdall_sign(bool x) { return x; }
inline float holdall_sign(float x) { return x != x ? x : float(x > 0.0f) - float(x < 0.0f); }

// Bits.

template <typename T>
inline T holdall_bit_not(T x) {
  return T(~x);
}
inline bool holdall_bit_not(bool x) { return !x; }

template <typename T>
inline T holdall_shift_left(T x, T by) {
  return ulong(by) < 8 * sizeof(T) ? T(x << by) : T(0);
}
inline bool holdall_shift_left(bool x, bool by) { return x && !by; }

template <typename T>
inline T holdall_shift_right(T x, T by) {
  if (ulong(by) < 8 * sizeof(T)) {
    return T(x >> by);
  }
  return x < T(0) ? T(-1) : T(0);
}
inline bool holdall_shift_right(bool x, bool by) { return x && !by; }

// Functions of floats.

inline float holdall_exp(float x) { return metal::precise::exp(x); }
inline float holdall_log(float x) { return metal::precise::log(x); }
inline float holdall_log2(float x) { return metal::precise::log2(x); }
inline float holdall_log10(float x) { return metal::precise::log10(x); }
inline float holdall_sqrt(float x) { return metal::precise::sqrt(x); }
inline float holdall_rsqrt(float x) { return 1.0f / metal::precise::sqrt(x); }
inline float holdall_sin(float x) { return metal::precise::sin(x); }
inline float holdall_cos(float x) { return metal::precise::cos(x); }
inline float holdall_tan(float x) { return metal::precise::tan(x); }
inline float holdall_arcsin(float x) { return metal::precise::asin(x); }
inline float holdall_arccos(float x) { return metal::precise::acos(x); }
inline float holdall_arctan(float x) { return metal::precise::atan(x); }
inline float holdall_arctan2(float y, float x) { return metal::precise::atan2(y, x); }
inline float holdall_sinh(float x) { return metal::precise::sinh(x); }
inline float holdall_cosh(float x) { return metal::precise::cosh(x); }
inline float holdall_tanh(float x) { return metal::precise::tanh(x); }
inline float holdall_arcsinh(float x) { return metal::precise::asinh(x); }
inline float holdall_arccosh(float x) { return metal::precise::acosh(x); }
inline float holdall_arctanh(float x) { return metal::precise::atanh(x); }

// The rounding of 1 + x is undone by the quotient.
inline float holdall_log1p(float x) {
  float u = 1.0f + x;
  if (u == 1.0f || x == INFINITY) {
    return x;
  }
  return metal::precise::log(u) * (x / (u - 1.0f));
}

// 2^n (e^r - 1) + (2^n - 1) with r in +-ln 2 / 2.
inline float holdall_expm1(float x) {
  if (x != x) {
    return x;
  }
  float bounded = x > 89.0f ? 89.0f : (x < -20.0f ? -20.0f : x);
  float n = metal::rint(bounded * 1.44269504088896340736f);
  float r = (bounded - n * 0.69311523f) - n * 3.1946183e-5f;
  float q = 0.5f + r * (0.16666576f + r * (0.041666552f + r * (0.008363247f + r * 0.0013926268f)));
  float m = r + r * r * q;
  // One power less and doubled at the end, for 2^128 is no float.
  float power = as_type<float>(uint(int(n) + 126) << 23);
  return metal::copysign((power * m + (power - 0.5f)) * 2.0f, x);
}

inline float holdall_sigmoid(float x) {
  float e = metal::precise::exp(-metal::fabs(x));
  return (x < 0.0f ? e : 1.0f) / (1.0f + e);
}

inline float holdall_erf(float x) {
  if (x != x) {
    return x;
  }
  float a = metal::fabs(x);
  if (a < 1.0f) {
    float z = a * a;
    float p = 1.0589391e-6f;
    p = -1.3909344e-5f + z * p;
    p = 1.1956563e-4f + z * p;
    p = -8.542638e-4f + z * p;
    p = 0.0052237835f + z * p;
    p = -0.026866133f + z * p;
    p = 0.11283791f + z * p;
    p = -0.37612639f + z * p;
    // The last sum in two parts: 1.12837917 is not a float.
    return x * 1.1283792f + x * (-4.2119853e-8f + z * p);
  }
  a = a > 4.0f ? 4.0f : a;
  float t = 1.0f / (1.0f + 0.5f * a);
  float p = 0.020425492f;
  p = -0.18690427f + t * p;
  p = 0.62278398f + t * p;
  p = -0.98981848f + t * p;
  p = 0.74506315f + t * p;
  p = -0.31102695f + t * p;
  p = 0.31799728f + t * p;
  p = 0.2122625f + t * p;
  p = 0.28760688f + t * p;
  p = 0.28157519f + t * p;
  p = 2.2004658e-5f + t * p;
  return metal::copysign(1.0f - metal::precise::exp(-a * a) * p, x);
}

inline float holdall_erfinv(float x) {
  float a = metal::fabs(x);
  if (!(a < 1.0f)) {
    return a == 1.0f ? metal::copysign(INFINITY, x) : NAN;
  }
  float w = a < 0.5f ? -holdall_log1p(-x * x) : -metal::precise::log((1.0f - a) * (1.0f + a));
  float p;
  if (w < 5.0f) {
    float u = w - 2.5f;
    p = -2.1203563e-11f;
    p = 1.2302889e-10f + u * p;
    p = 8.3270005e-10f + u * p;
    p = -1.0854397e-8f + u * p;
    p = 1.3691497e-8f + u * p;
    p = 4.7864482e-7f + u * p;
    p = -3.4171152e-6f + u * p;
    p = -4.9958814e-6f + u * p;
    p = 2.1825065e-4f + u * p;
    p = -0.0012527081f + u * p;
    p = -0.0041773178f + u * p;
    p = 0.24664028f + u * p;
    p = 1.5014094f + u * p;
  } else {
    float v = metal::precise::sqrt(w) - 3.2f;
    p = -3.4692488e-5f;
    p = 9.9517748e-5f + v * p;
    p = -3.0786811e-5f + v * p;
    p = -3.5766073e-4f + v * p;
    p = 0.0010862777f + v * p;
    p = -0.0019941513f + v * p;
    p = 0.0029494428f + v * p;
    p = -0.0042938749f + v * p;
    p = 0.0059732447f + v * p;
    p = 1.0046924f + v * p;
    p = 3.0336366f + v * p;
  }
  return x * p;
}

inline float holdall_logaddexp(float a, float b) {
  float low = a < b ? a : b;
  float high = a < b ? b : a;
  // Equal infinities have no difference.
  return low == high ? high + 0.693147180559945309417f : high + holdall_log1p(metal::precise::exp(low - high));
}

// Functions of complex numbers: the principal branches.

inline float holdall_modulus(complex64_t z) {
  float a = metal::fabs(z.real);
  float b = metal::fabs(z.imag);
  float high = a > b ? a : b;
  float low = a > b ? b : a;
  if (high == INFINITY) {
    return high;
  }
  if (high == 0.0f || a != a || b != b) {
    return a + b;
  }
  float ratio = low / high;
  return high * metal::precise::sqrt(1.0f + ratio * ratio);
}
inline complex64_t holdall_conjugate(complex64_t z) { return complex64_t(z.real, -z.imag); }
inline complex64_t holdall_polar(float modulus, float angle) {
  return complex64_t(modulus * metal::precise::cos(angle), modulus * metal::precise::sin(angle));
}
inline complex64_t holdall_scaled(complex64_t z, float by) { return complex64_t(z.real * by, z.imag * by); }
inline complex64_t holdall_times_i(complex64_t z) { return complex64_t(-z.imag, z.real); }

inline complex64_t holdall_exp(complex64_t z) { return holdall_polar(metal::precise::exp(z.real), z.imag); }
inline complex64_t holdall_log(complex64_t z) {
  return complex64_t(metal::precise::log(holdall_modulus(z)), metal::precise::atan2(z.imag, z.real));
}
inline complex64_t holdall_log2(complex64_t z) { return holdall_scaled(holdall_log(z), M_LOG2E_F); }
inline complex64_t holdall_log10(complex64_t z) { return holdall_scaled(holdall_log(z), M_LOG10E_F); }
inline complex64_t holdall_log1p(complex64_t z) { return holdall_log(complex64_t(z.real + 1.0f, z.imag)); }
inline complex64_t holdall_sqrt(complex64_t z) {
  float r = holdall_modulus(z);
  if (r == 0.0f) {
    return complex64_t(0.0f, z.imag);
  }
  float larger = metal::precise::sqrt(0.5f * (r + metal::fabs(z.real)));
  float smaller = 0.5f * metal::fabs(z.imag) / larger;
  float re = z.real < 0.0f ? smaller : larger;
  float im = z.real < 0.0f ? larger : smaller;
  return complex64_t(re, metal::copysign(im, z.imag));
}
inline complex64_t holdall_rsqrt(complex64_t z) { return complex64_t(1.0f, 0.0f) / holdall_sqrt(z); }
inline complex64_t holdall_pow(complex64_t base, complex64_t exponent) {
  if (exponent.real == 0.0f && exponent.imag == 0.0f) {
    return complex64_t(1.0f, 0.0f);
  }
  if (base.real == 0.0f && base.imag == 0.0f) {
    return complex64_t(0.0f, 0.0f);
  }
  return holdall_exp(exponent * holdall_log(base));
}
inline complex64_t holdall_sin(complex64_t z) {
  return complex64_t(
      metal::precise::sin(z.real) * metal::precise::cosh(z.imag),
      metal::precise::cos(z.real) * metal::precise::sinh(z.imag));
}
inline complex64_t holdall_cos(complex64_t z) {
  return complex64_t(
      metal::precise::cos(z.real) * metal::precise::cosh(z.imag),
      -metal::precise::sin(z.real) * metal::precise::sinh(z.imag));
}
inline complex64_t holdall_tan(complex64_t z) {
  float size = metal::precise::cos(2.0f * z.real) + metal::precise::cosh(2.0f * z.imag);
  return complex64_t(metal::precise::sin(2.0f * z.real) / size, metal::precise::sinh(2.0f * z.imag) / size);
}
inline complex64_t holdall_sinh(complex64_t z) {
  return complex64_t(
      metal::precise::sinh(z.real) * metal::precise::cos(z.imag),
      metal::precise::cosh(z.real) * metal::precise::sin(z.imag));
}
inline complex64_t holdall_cosh(complex64_t z) {
  return complex64_t(
      metal::precise::cosh(z.real) * metal::precise::cos(z.imag),
      metal::precise::sinh(z.real) * metal::precise::sin(z.imag));
}
inline complex64_t holdall_tanh(complex64_t z) {
  float size = metal::precise::cosh(2.0f * z.real) + metal::precise::cos(2.0f * z.imag);
  return complex64_t(metal::precise::sinh(2.0f * z.real) / size, metal::precise::sin(2.0f * z.imag) / size);
}
// sqrt(1 - z^2)
inline complex64_t holdall_cathetus(complex64_t z) { return holdall_sqrt(complex64_t(1.0f, 0.0f) - z * z); }
inline complex64_t holdall_arcsin(complex64_t z) {
  complex64_t w = holdall_log(holdall_cathetus(z) + holdall_times_i(z));
  return complex64_t(w.imag, -w.real);
}
inline complex64_t holdall_arccos(complex64_t z) {
  complex64_t w = holdall_log(holdall_times_i(holdall_cathetus(z)) + z);
  return complex64_t(w.imag, -w.real);
}
inline complex64_t holdall_arctan(complex64_t z) {
  complex64_t turned = holdall_times_i(z);
  complex64_t one = complex64_t(1.0f, 0.0f);
  complex64_t w = holdall_log(one + turned) - holdall_log(one - turned);
  return complex64_t(0.5f * w.imag, -0.5f * w.real);
}
inline complex64_t holdall_arcsinh(complex64_t z) {
  return holdall_log(z + holdall_sqrt(complex64_t(1.0f, 0.0f) + z * z));
}
inline complex64_t holdall_arccosh(complex64_t z) {
  complex64_t above = holdall_sqrt(complex64_t(0.5f * (z.real + 1.0f), 0.5f * z.imag));
  complex64_t below = holdall_sqrt(complex64_t(0.5f * (z.real - 1.0f), 0.5f * z.imag));
  return holdall_scaled(holdall_log(above + below), 2.0f);
}
inline complex64_t holdall_arctanh(complex64_t z) {
  complex64_t one = complex64_t(1.0f, 0.0f);
  return holdall_scaled(holdall_log(one + z) - holdall_log(one - z), 0.5f);
}

// Rows of work for groups: the index of a group in a grid whose rows have 2^20 groups.
template <typename I>
inline I holdall_group(uint3 group) {
  return I(group.x) + (I(group.y) << 20);
}

// The place of an element with this index in row-major order over dims, in an array of these strides.
template <int R, typename I>
inline long holdall_place(I index, const constant ulong* dims, const constant long* strides) {
  if (R == 1) {
    return long(index) * strides[0];
  }
  long place = 0;
  for (int axis = R - 1; axis > 0; --axis) {
    place += long(index % I(dims[axis])) * strides[axis];
    index /= I(dims[axis]);
  }
  return place + long(index) * strides[0];
}

// Sums and extremes over a group of whole SIMD groups; every thread gets them. `scratch` has an element for each SIMD group.
inline float holdall_sum(float x, threadgroup float* scratch, uint lane, uint simd, uint n_simds) {
  x = metal::simd_sum(x);
  if (n_simds == 1) {
    return x;
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  if (lane == 0) {
    scratch[simd] = x;
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  return metal::simd_sum(lane < n_simds ? scratch[lane] : 0.0f);
}

inline float holdall_largest(float x, threadgroup float* scratch, uint lane, uint simd, uint n_simds) {
  x = metal::simd_max(x);
  if (n_simds == 1) {
    return x;
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  if (lane == 0) {
    scratch[simd] = x;
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  return metal::simd_max(lane < n_simds ? scratch[lane] : -INFINITY);
}

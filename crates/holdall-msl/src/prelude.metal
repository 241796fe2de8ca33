// What every kernel sees. The functions of the language itself are not here: the compiler knows them.

#define __METAL__ 1
#define __METAL_VERSION__ 320
#define __METAL_MACOS__ 1
#define __HAVE_BFLOAT__ 1
#define __cplusplus 201703L
#define METAL_FUNC inline
#define METAL_CONST constant constexpr

#define INFINITY (as_type<float>(0x7f800000u))
#define NAN (as_type<float>(0x7fc00000u))
#define HUGE_VALF INFINITY
#define MAXFLOAT 3.402823466e+38f
#define FLT_MAX 3.402823466e+38f
#define FLT_MIN 1.175494351e-38f
#define FLT_EPSILON 1.192092896e-07f
#define FLT_DIG 6
#define FLT_MANT_DIG 24
#define FLT_MAX_EXP 128
#define FLT_MIN_EXP (-125)
#define FLT_RADIX 2
#define HALF_MAX 65504.0h
#define HALF_MIN 6.103515625e-05h
#define HALF_EPSILON 0.0009765625h
#define MAXHALF 65504.0h
#define HUGE_VALH (as_type<half>(ushort(0x7c00)))
#define CHAR_BIT 8
#define SCHAR_MAX 127
#define SCHAR_MIN (-128)
#define UCHAR_MAX 255
#define SHRT_MAX 32767
#define SHRT_MIN (-32768)
#define USHRT_MAX 65535
#define INT_MAX 2147483647
#define INT_MIN (-2147483647 - 1)
#define UINT_MAX 4294967295u
#define LONG_MAX 9223372036854775807l
#define LONG_MIN (-9223372036854775807l - 1)
#define ULONG_MAX 18446744073709551615ul

#define M_E_F 2.71828182845904523536f
#define M_LOG2E_F 1.44269504088896340736f
#define M_LOG10E_F 0.434294481903251827651f
#define M_LN2_F 0.693147180559945309417f
#define M_LN10_F 2.30258509299404568402f
#define M_PI_F 3.14159265358979323846f
#define M_PI_2_F 1.57079632679489661923f
#define M_PI_4_F 0.785398163397448309616f
#define M_1_PI_F 0.318309886183790671538f
#define M_2_PI_F 0.636619772367581343076f
#define M_2_SQRTPI_F 1.12837916709551257390f
#define M_SQRT2_F 1.41421356237309504880f
#define M_SQRT1_2_F 0.707106781186547524401f
#define M_PI_H 3.14159265358979323846h
#define M_E_H 2.71828182845904523536h

template <typename T>
struct numeric_limits {
  static constexpr bool is_specialized = false;
};

#define HOLDALL_FLOAT_LIMITS(T, MAX, LOWEST, MIN, EPSILON, INF, QNAN, DIGITS) \
  template <>                                                                 \
  struct numeric_limits<T> {                                                  \
    static constexpr bool is_specialized = true;                              \
    static constexpr bool is_signed = true;                                   \
    static constexpr bool is_integer = false;                                 \
    static constexpr bool has_infinity = true;                                \
    static constexpr int digits = DIGITS;                                     \
    static constexpr T max() { return MAX; }                                  \
    static constexpr T lowest() { return LOWEST; }                            \
    static constexpr T min() { return MIN; }                                  \
    static constexpr T epsilon() { return EPSILON; }                          \
    static constexpr T infinity() { return INF; }                             \
    static constexpr T quiet_NaN() { return QNAN; }                           \
    static constexpr T denorm_min() { return nextafter(T(0), T(1)); }         \
  };

HOLDALL_FLOAT_LIMITS(float, FLT_MAX, -FLT_MAX, FLT_MIN, FLT_EPSILON, INFINITY, NAN, 24)
HOLDALL_FLOAT_LIMITS(half, HALF_MAX, -HALF_MAX, HALF_MIN, HALF_EPSILON, HUGE_VALH, as_type<half>(ushort(0x7e00)), 11)
HOLDALL_FLOAT_LIMITS(
    bfloat,
    as_type<bfloat>(ushort(0x7f7f)),
    as_type<bfloat>(ushort(0xff7f)),
    as_type<bfloat>(ushort(0x0080)),
    as_type<bfloat>(ushort(0x3c00)),
    as_type<bfloat>(ushort(0x7f80)),
    as_type<bfloat>(ushort(0x7fc0)),
    8)

#define HOLDALL_INTEGER_LIMITS(T, MIN, MAX, SIGNED, DIGITS) \
  template <>                                               \
  struct numeric_limits<T> {                                \
    static constexpr bool is_specialized = true;            \
    static constexpr bool is_signed = SIGNED;               \
    static constexpr bool is_integer = true;                \
    static constexpr bool has_infinity = false;             \
    static constexpr int digits = DIGITS;                   \
    static constexpr T max() { return T(MAX); }             \
    static constexpr T min() { return T(MIN); }             \
    static constexpr T lowest() { return T(MIN); }          \
    static constexpr T infinity() { return T(0); }          \
    static constexpr T epsilon() { return T(0); }           \
  };

HOLDALL_INTEGER_LIMITS(bool, 0, 1, false, 1)
HOLDALL_INTEGER_LIMITS(char, SCHAR_MIN, SCHAR_MAX, true, 7)
HOLDALL_INTEGER_LIMITS(uchar, 0, UCHAR_MAX, false, 8)
HOLDALL_INTEGER_LIMITS(short, SHRT_MIN, SHRT_MAX, true, 15)
HOLDALL_INTEGER_LIMITS(ushort, 0, USHRT_MAX, false, 16)
HOLDALL_INTEGER_LIMITS(int, INT_MIN, INT_MAX, true, 31)
HOLDALL_INTEGER_LIMITS(uint, 0, UINT_MAX, false, 32)
HOLDALL_INTEGER_LIMITS(long, LONG_MIN, LONG_MAX, true, 63)
HOLDALL_INTEGER_LIMITS(ulong, 0, ULONG_MAX, false, 64)

// The identities of reductions: floats go to infinity, integers to their limits.
template <typename U>
struct Limits {
  static constexpr U max = numeric_limits<U>::has_infinity ? numeric_limits<U>::infinity() : numeric_limits<U>::max();
  static constexpr U min = numeric_limits<U>::has_infinity ? -numeric_limits<U>::infinity() : numeric_limits<U>::min();
  static constexpr U finite_max = numeric_limits<U>::max();
  static constexpr U finite_min = numeric_limits<U>::lowest();
};

template <typename T, size_t N>
struct array {
  T elements[N];
  thread T& operator[](size_t i) { return elements[i]; }
  constexpr size_t size() const { return N; }
};

struct complex64_t {
  float real;
  float imag;

  complex64_t() : real(0), imag(0) {}
  complex64_t(float re, float im) : real(re), imag(im) {}
  complex64_t(float re) : real(re), imag(0) {}

  explicit operator float() const { return real; }

  complex64_t operator-() const { return complex64_t(-real, -imag); }
};

inline bool operator==(complex64_t a, complex64_t b) { return a.real == b.real && a.imag == b.imag; }
inline bool operator!=(complex64_t a, complex64_t b) { return !(a == b); }
inline bool operator>(complex64_t a, complex64_t b) {
  return a.real > b.real || (a.real == b.real && a.imag > b.imag);
}
inline bool operator<(complex64_t a, complex64_t b) { return b > a; }
inline bool operator>=(complex64_t a, complex64_t b) { return !(b > a); }
inline bool operator<=(complex64_t a, complex64_t b) { return !(a > b); }
inline complex64_t operator+(complex64_t a, complex64_t b) { return complex64_t(a.real + b.real, a.imag + b.imag); }
inline complex64_t operator-(complex64_t a, complex64_t b) { return complex64_t(a.real - b.real, a.imag - b.imag); }
inline complex64_t operator*(complex64_t a, complex64_t b) {
  return complex64_t(a.real * b.real - a.imag * b.imag, a.real * b.imag + a.imag * b.real);
}
inline complex64_t operator/(complex64_t a, complex64_t b) {
  float size = b.real * b.real + b.imag * b.imag;
  float re = a.real * b.real + a.imag * b.imag;
  float im = a.imag * b.real - a.real * b.imag;
  return complex64_t(re / size, im / size);
}

// Conversion between all element types; a float that becomes complex has no imaginary part.
template <typename To, typename From>
inline To cast_to(From value) {
  return static_cast<To>(value);
}

template <typename T, typename U>
inline auto ceildiv(T n, U d) {
  return (n + d - 1) / d;
}

// Where an element lies in memory, from its index in row-major order.
template <typename IdxT = int64_t>
inline IdxT elem_to_loc(IdxT elem, constant const int* shape, constant const int64_t* strides, int ndim) {
  IdxT loc = 0;
  for (int i = ndim - 1; i >= 0 && elem > 0; --i) {
    loc += (elem % shape[i]) * IdxT(strides[i]);
    elem /= shape[i];
  }
  return loc;
}

// The same from a position in a grid over the last axis, the one before, and all others.
template <typename IdxT = int64_t>
inline IdxT elem_to_loc(uint3 elem, constant const int* shape, constant const int64_t* strides, int ndim) {
  IdxT loc = elem.x * IdxT(strides[ndim - 1]) + elem.y * IdxT(strides[ndim - 2]);
  for (int d = ndim - 3; d >= 0; --d) {
    loc += (elem.z % shape[d]) * IdxT(strides[d]);
    elem.z /= shape[d];
  }
  return loc;
}

template <typename IdxT = int64_t>
inline IdxT elem_to_loc_1(uint elem, constant const int64_t& stride) {
  return elem * IdxT(stride);
}

template <typename IdxT = int64_t>
inline IdxT elem_to_loc_2(uint2 elem, constant const int64_t* strides) {
  return elem.x * IdxT(strides[1]) + elem.y * IdxT(strides[0]);
}

template <typename IdxT = int64_t>
inline IdxT elem_to_loc_3(uint3 elem, constant const int64_t* strides) {
  return elem.x * IdxT(strides[2]) + elem.y * IdxT(strides[1]) + elem.z * IdxT(strides[0]);
}

// Two layouts of one shape at once.
template <typename IdxT = int64_t>
inline vec<IdxT, 2> elem_to_loc_2_nd(
    uint3 elem,
    constant const int* shape,
    constant const int64_t* a_strides,
    constant const int64_t* b_strides,
    int ndim) {
  return vec<IdxT, 2>(
      elem_to_loc<IdxT>(elem, shape, a_strides, ndim), elem_to_loc<IdxT>(elem, shape, b_strides, ndim));
}

template <typename IdxT = int64_t>
inline vec<IdxT, 3> elem_to_loc_3_nd(
    uint3 elem,
    constant const int* shape,
    constant const int64_t* a_strides,
    constant const int64_t* b_strides,
    constant const int64_t* c_strides,
    int ndim) {
  return vec<IdxT, 3>(
      elem_to_loc<IdxT>(elem, shape, a_strides, ndim),
      elem_to_loc<IdxT>(elem, shape, b_strides, ndim),
      elem_to_loc<IdxT>(elem, shape, c_strides, ndim));
}

// The same element by element: `location()` is that of the first element until `next` goes on.
template <int DIM, typename OffsetT = size_t, bool General = true>
struct LoopedElemToLoc {
  int dim;
  OffsetT offset;
  OffsetT index;

  LoopedElemToLoc(int n) : dim(n), offset(0), index(0) {}

  void next(constant const int* shape, constant const int64_t* strides) { next(1, shape, strides); }

  void next(int n, constant const int* shape, constant const int64_t* strides) {
    if (dim == 0) return;
    index += n;
    offset = elem_to_loc<OffsetT>(index, shape, strides, dim);
  }

  OffsetT location() const { return offset; }
};

// What `simd_ballot` tells, as a type.
struct simd_vote {
  typedef uint64_t vote_t;
  vote_t bits;

  simd_vote(vote_t b) : bits(b) {}
  explicit operator vote_t() const { return bits; }
  bool all() const { return bits == vote_t(simd_active_threads_mask()); }
  bool any() const { return bits != 0; }
};

// Matrices of C columns and R rows.
template <typename T, int C, int R>
struct matrix {
  vec<T, R> columns[C];

  matrix() {
    for (int c = 0; c < C; c++) columns[c] = vec<T, R>(T(0));
  }
  explicit matrix(T diagonal) {
    for (int c = 0; c < C; c++) {
      columns[c] = vec<T, R>(T(0));
      if (c < R) columns[c][c] = diagonal;
    }
  }
  matrix(vec<T, R> a, vec<T, R> b) {
    static_assert(C == 2, "this matrix has not two columns");
    columns[0] = a;
    columns[1] = b;
  }
  matrix(vec<T, R> a, vec<T, R> b, vec<T, R> c) {
    static_assert(C == 3, "this matrix has not three columns");
    columns[0] = a;
    columns[1] = b;
    columns[2] = c;
  }
  matrix(vec<T, R> a, vec<T, R> b, vec<T, R> c, vec<T, R> d) {
    static_assert(C == 4, "this matrix has not four columns");
    columns[0] = a;
    columns[1] = b;
    columns[2] = c;
    columns[3] = d;
  }

#define HOLDALL_MATRIX_OF(N, ...)                                                                  \
  matrix(__VA_ARGS__) {                                                                            \
    static_assert(C * R == N, "this matrix has another number of elements");                      \
    const T all[N] = {HOLDALL_FIRST_##N};                                                          \
    for (int i = 0; i < C * R; i++) columns[i / R][i % R] = all[i];                                \
  }
#define HOLDALL_FIRST_4 a, b, c, d
#define HOLDALL_FIRST_6 HOLDALL_FIRST_4, e, f
#define HOLDALL_FIRST_8 HOLDALL_FIRST_6, g, h
#define HOLDALL_FIRST_9 HOLDALL_FIRST_8, i0
#define HOLDALL_FIRST_12 HOLDALL_FIRST_9, j, k, l
#define HOLDALL_FIRST_16 HOLDALL_FIRST_12, m, n, o, p
  HOLDALL_MATRIX_OF(4, T a, T b, T c, T d)
  HOLDALL_MATRIX_OF(6, T a, T b, T c, T d, T e, T f)
  HOLDALL_MATRIX_OF(8, T a, T b, T c, T d, T e, T f, T g, T h)
  HOLDALL_MATRIX_OF(9, T a, T b, T c, T d, T e, T f, T g, T h, T i0)
  HOLDALL_MATRIX_OF(12, T a, T b, T c, T d, T e, T f, T g, T h, T i0, T j, T k, T l)
  HOLDALL_MATRIX_OF(16, T a, T b, T c, T d, T e, T f, T g, T h, T i0, T j, T k, T l, T m, T n, T o, T p)

  thread vec<T, R>& operator[](int c) { return columns[c]; }
};

#define HOLDALL_MATRICES(T)        \
  typedef matrix<T, 2, 2> T##2x2;  \
  typedef matrix<T, 2, 3> T##2x3;  \
  typedef matrix<T, 2, 4> T##2x4;  \
  typedef matrix<T, 3, 2> T##3x2;  \
  typedef matrix<T, 3, 3> T##3x3;  \
  typedef matrix<T, 3, 4> T##3x4;  \
  typedef matrix<T, 4, 2> T##4x2;  \
  typedef matrix<T, 4, 3> T##4x3;  \
  typedef matrix<T, 4, 4> T##4x4;
HOLDALL_MATRICES(float)
HOLDALL_MATRICES(half)

template <typename T, int C, int R>
matrix<T, C, R> operator+(matrix<T, C, R> a, matrix<T, C, R> b) {
  for (int c = 0; c < C; c++) a.columns[c] += b.columns[c];
  return a;
}
template <typename T, int C, int R>
matrix<T, C, R> operator-(matrix<T, C, R> a, matrix<T, C, R> b) {
  for (int c = 0; c < C; c++) a.columns[c] -= b.columns[c];
  return a;
}
template <typename T, int C, int R>
matrix<T, C, R> operator-(matrix<T, C, R> a) {
  for (int c = 0; c < C; c++) a.columns[c] = -a.columns[c];
  return a;
}
template <typename T, int C, int R>
matrix<T, C, R> operator*(matrix<T, C, R> a, T b) {
  for (int c = 0; c < C; c++) a.columns[c] *= b;
  return a;
}
template <typename T, int C, int R>
matrix<T, C, R> operator*(T a, matrix<T, C, R> b) {
  return b * a;
}
template <typename T, int C, int R>
vec<T, R> operator*(matrix<T, C, R> a, vec<T, C> b) {
  vec<T, R> sum = a.columns[0] * b[0];
  for (int c = 1; c < C; c++) sum = fma(a.columns[c], vec<T, R>(b[c]), sum);
  return sum;
}
template <typename T, int C, int R>
vec<T, C> operator*(vec<T, R> a, matrix<T, C, R> b) {
  vec<T, C> products;
  for (int c = 0; c < C; c++) products[c] = dot(a, b.columns[c]);
  return products;
}
template <typename T, int C, int K, int R>
matrix<T, C, R> operator*(matrix<T, K, R> a, matrix<T, C, K> b) {
  matrix<T, C, R> product;
  for (int c = 0; c < C; c++) product.columns[c] = a * b.columns[c];
  return product;
}
template <typename T, int C, int R>
thread matrix<T, C, R>& operator+=(thread matrix<T, C, R>& a, matrix<T, C, R> b) {
  a = a + b;
  return a;
}
template <typename T, int C, int R>
thread matrix<T, C, R>& operator-=(thread matrix<T, C, R>& a, matrix<T, C, R> b) {
  a = a - b;
  return a;
}
template <typename T, int C, int R>
thread matrix<T, C, R>& operator*=(thread matrix<T, C, R>& a, T b) {
  a = a * b;
  return a;
}
template <typename T, int N>
thread matrix<T, N, N>& operator*=(thread matrix<T, N, N>& a, matrix<T, N, N> b) {
  a = a * b;
  return a;
}

template <typename T, int C, int R>
matrix<T, R, C> transpose(matrix<T, C, R> a) {
  matrix<T, R, C> turned;
  for (int r = 0; r < R; r++) {
    for (int c = 0; c < C; c++) turned.columns[r][c] = a.columns[c][r];
  }
  return turned;
}

template <typename T>
T determinant(matrix<T, 2, 2> a) {
  return a.columns[0].x * a.columns[1].y - a.columns[1].x * a.columns[0].y;
}
template <typename T>
T determinant(matrix<T, 3, 3> a) {
  return dot(a.columns[0], cross(a.columns[1], a.columns[2]));
}
// Along the first row.
template <typename T>
T determinant(matrix<T, 4, 4> a) {
  const vec<T, 3> p = a.columns[0].yzw, q = a.columns[1].yzw, r = a.columns[2].yzw, s = a.columns[3].yzw;
  return a.columns[0].x * dot(q, cross(r, s)) - a.columns[1].x * dot(p, cross(r, s)) +
      a.columns[2].x * dot(p, cross(q, s)) - a.columns[3].x * dot(p, cross(q, r));
}

// Vectors. A swizzle that is read is a call, `v.xy()`, one that is written a place, `v.holdall_xy()`; which ones there
// are is said by HOLDALL_SWIZZLES, a list of HOLDALL_SWIZZLE(name, components...).

namespace impl_ {
template <typename V>
struct shape {
  static constexpr int n = is_number<V> ? 1 : 0;
  typedef V element;
};
template <typename T, int N>
struct shape<vec<T, N>> {
  static constexpr int n = N;
  typedef T element;
};
template <typename T, int N>
struct shape<packed_vec<T, N>> {
  static constexpr int n = N;
  typedef T element;
};
template <typename V>
inline constexpr int size_of = shape<V>::n;
template <typename V>
inline constexpr bool is_vector = (shape<V>::n > 1);
template <typename... A>
inline constexpr bool operands = ((shape<A>::n > 0) && ...);

template <int I, typename V>
constexpr auto nth(const V& v) {
  static_assert(I < size_of<V>, "the vector has no such component");
  if constexpr (I == 0) return v.x;
  else if constexpr (I == 1) return v.y;
  else if constexpr (I == 2) return v.z;
  else return v.w;
}
template <typename T, int I, typename A, typename... B>
constexpr T component(const A& a, const B&... b) {
  if constexpr (size_of<A> == 1 && I == 0) {
    return T(a);
  } else if constexpr (I < size_of<A>) {
    return T(nth<I>(a));
  } else {
    return component<T, I - size_of<A>>(b...);
  }
}
template <typename A>
constexpr auto pick(const A& a, int i) {
  if constexpr (size_of<A> == 1) {
    return a;
  } else {
    return a[i];
  }
}

// Some components of a vector, to write to.
template <typename V, int... I>
struct place {
  V& base;
  typedef vec<typename V::element, sizeof...(I)> value;
  constexpr operator value() const { return value(base[I]...); }
  constexpr value operator=(value v) const {
    int at = 0;
    ((base[I] = v[at++]), ...);
    return v;
  }
  constexpr value operator=(const place& other) const { return *this = value(other); }
#define HOLDALL_ASSIGN(OP) \
  template <typename B>    \
  constexpr value operator OP##=(B b) const { return *this = value(value(*this) OP b); }
  HOLDALL_ASSIGN(+)
  HOLDALL_ASSIGN(-)
  HOLDALL_ASSIGN(*)
  HOLDALL_ASSIGN(/)
  HOLDALL_ASSIGN(%)
  HOLDALL_ASSIGN(&)
  HOLDALL_ASSIGN(|)
  HOLDALL_ASSIGN(^)
  HOLDALL_ASSIGN(<<)
  HOLDALL_ASSIGN(>>)
#undef HOLDALL_ASSIGN
};
}  // namespace impl_

#define HOLDALL_SWIZZLE(NAME, ...)                                                                       \
  constexpr auto NAME() const { return impl_::chosen<T, __VA_ARGS__>(*this); }                           \
  constexpr auto holdall_##NAME() { return impl_::place<remove_reference_t<decltype(*this)>, __VA_ARGS__>{*this}; }

#define HOLDALL_ASSIGN(OP) \
  template <typename B>    \
  constexpr holdall_self& operator OP##=(B b) { return *this = holdall_self(*this OP b); }

#define HOLDALL_VECTOR(NAME, N, ALIGN, MEMBERS, SPLAT, TAKE)                                             \
  template <typename T>                                                                                  \
  struct ALIGN NAME<T, N> {                                                                              \
    typedef T element;                                                                                   \
    typedef NAME<T, N> holdall_self;                                                                     \
    MEMBERS                                                                                              \
    NAME() = default;                                                                                    \
    template <typename A, impl_::if_<impl_::is_number<A>> = 0>                                           \
    constexpr NAME(A a) : SPLAT {}                                                                       \
    template <typename A, impl_::if_<impl_::size_of<A> == N && is_same_v<typename impl_::shape<A>::element, T>> = 0> \
    constexpr NAME(const A& a) : TAKE(a) {}                                                              \
    template <typename A, impl_::if_<impl_::size_of<A> == N && !is_same_v<typename impl_::shape<A>::element, T>> = 0, \
              typename = void>                                                                           \
    constexpr explicit NAME(const A& a) : TAKE(a) {}                                                     \
    template <typename A, typename B, typename... C,                                                     \
              impl_::if_<impl_::size_of<A> + impl_::size_of<B> + (impl_::size_of<C> + ... + 0) == N> = 0> \
    constexpr NAME(const A& a, const B& b, const C&... c) : TAKE(a, b, c...) {}                          \
    constexpr T& operator[](size_t i) { return (&x)[i]; }                                                \
    constexpr const T& operator[](size_t i) const { return (&x)[i]; }                                    \
    HOLDALL_ASSIGN(+) HOLDALL_ASSIGN(-) HOLDALL_ASSIGN(*) HOLDALL_ASSIGN(/) HOLDALL_ASSIGN(%)            \
    HOLDALL_ASSIGN(&) HOLDALL_ASSIGN(|) HOLDALL_ASSIGN(^) HOLDALL_ASSIGN(<<) HOLDALL_ASSIGN(>>)          \
    constexpr holdall_self& operator++() { return *this += T(1); }                                       \
    constexpr holdall_self& operator--() { return *this -= T(1); }                                       \
    constexpr holdall_self operator++(int) { holdall_self old = *this; *this += T(1); return old; }      \
    constexpr holdall_self operator--(int) { holdall_self old = *this; *this -= T(1); return old; }      \
    HOLDALL_SWIZZLES                                                                                     \
  };

#define HOLDALL_XY union { T x; T r; }; union { T y; T g; };
#define HOLDALL_XYZ HOLDALL_XY union { T z; T b; };
#define HOLDALL_XYZW HOLDALL_XYZ union { T w; T a; };
#define HOLDALL_SPLAT2 x(T(a)), y(T(a))
#define HOLDALL_SPLAT3 HOLDALL_SPLAT2, z(T(a))
#define HOLDALL_SPLAT4 HOLDALL_SPLAT3, w(T(a))
#define HOLDALL_TAKE2(...) x(impl_::component<T, 0>(__VA_ARGS__)), y(impl_::component<T, 1>(__VA_ARGS__))
#define HOLDALL_TAKE3(...) HOLDALL_TAKE2(__VA_ARGS__), z(impl_::component<T, 2>(__VA_ARGS__))
#define HOLDALL_TAKE4(...) HOLDALL_TAKE3(__VA_ARGS__), w(impl_::component<T, 3>(__VA_ARGS__))

namespace impl_ {
template <typename T, int... I, typename V>
constexpr vec<T, sizeof...(I)> chosen(const V& v) { return vec<T, sizeof...(I)>(nth<I>(v)...); }
}  // namespace impl_

HOLDALL_VECTOR(vec, 2, alignas(2 * sizeof(T)), HOLDALL_XY, HOLDALL_SPLAT2, HOLDALL_TAKE2)
HOLDALL_VECTOR(vec, 3, alignas(4 * sizeof(T)), HOLDALL_XYZ, HOLDALL_SPLAT3, HOLDALL_TAKE3)
HOLDALL_VECTOR(vec, 4, alignas(4 * sizeof(T)), HOLDALL_XYZW, HOLDALL_SPLAT4, HOLDALL_TAKE4)
HOLDALL_VECTOR(packed_vec, 2, , HOLDALL_XY, HOLDALL_SPLAT2, HOLDALL_TAKE2)
HOLDALL_VECTOR(packed_vec, 3, , HOLDALL_XYZ, HOLDALL_SPLAT3, HOLDALL_TAKE3)
HOLDALL_VECTOR(packed_vec, 4, , HOLDALL_XYZW, HOLDALL_SPLAT4, HOLDALL_TAKE4)
#undef HOLDALL_ASSIGN

#define HOLDALL_NAMES(T, N)                                                                      \
  typedef vec<T, 2> N##2;                                                                        \
  typedef vec<T, 3> N##3;                                                                        \
  typedef vec<T, 4> N##4;                                                                        \
  typedef packed_vec<T, 2> packed_##N##2;                                                        \
  typedef packed_vec<T, 3> packed_##N##3;                                                        \
  typedef packed_vec<T, 4> packed_##N##4;
HOLDALL_NAMES(bool, bool)
HOLDALL_NAMES(int8_t, char)
HOLDALL_NAMES(uint8_t, uchar)
HOLDALL_NAMES(short, short)
HOLDALL_NAMES(ushort, ushort)
HOLDALL_NAMES(int, int)
HOLDALL_NAMES(uint, uint)
HOLDALL_NAMES(int64_t, long)
HOLDALL_NAMES(uint64_t, ulong)
HOLDALL_NAMES(half, half)
HOLDALL_NAMES(float, float)
HOLDALL_NAMES(bfloat, bfloat)

namespace impl_ {
// The vector operand of an operator: the first that is one. Scalars become its elements.
template <typename A, typename B>
struct wide {
  typedef conditional_t<is_vector<A>, shape<A>, shape<B>> vector;
  typedef typename vector::element element;
  static constexpr int n = vector::n;
};
template <typename A, typename B>
inline constexpr bool meet = operands<A, B> && (is_vector<A> || is_vector<B>) &&
    (!is_vector<A> || !is_vector<B> ||
     (size_of<A> == size_of<B> && is_same_v<typename shape<A>::element, typename shape<B>::element>));
}  // namespace impl_

#define HOLDALL_OPERATOR(OP, RESULT)                                                                  \
  template <typename A, typename B, impl_::if_<impl_::meet<A, B>> = 0>                                \
  constexpr auto operator OP(const A& a, const B& b) {                                                \
    typedef impl_::wide<A, B> W;                                                                      \
    typedef typename W::element T;                                                                    \
    vec<RESULT, W::n> r{};                                                                            \
    for (int i = 0; i < W::n; i++) r[i] = RESULT(T(impl_::pick(a, i)) OP T(impl_::pick(b, i)));       \
    return r;                                                                                         \
  }
HOLDALL_OPERATOR(+, T)
HOLDALL_OPERATOR(-, T)
HOLDALL_OPERATOR(*, T)
HOLDALL_OPERATOR(/, T)
HOLDALL_OPERATOR(%, T)
HOLDALL_OPERATOR(&, T)
HOLDALL_OPERATOR(|, T)
HOLDALL_OPERATOR(^, T)
HOLDALL_OPERATOR(<<, T)
HOLDALL_OPERATOR(>>, T)
HOLDALL_OPERATOR(==, bool)
HOLDALL_OPERATOR(!=, bool)
HOLDALL_OPERATOR(<, bool)
HOLDALL_OPERATOR(>, bool)
HOLDALL_OPERATOR(<=, bool)
HOLDALL_OPERATOR(>=, bool)
HOLDALL_OPERATOR(&&, bool)
HOLDALL_OPERATOR(||, bool)

#define HOLDALL_UNARY(OP, RESULT)                                          \
  template <typename V, impl_::if_<impl_::is_vector<V>> = 0>               \
  constexpr auto operator OP(const V& v) {                                 \
    typedef typename V::element T;                                         \
    vec<RESULT, impl_::size_of<V>> r{};                                    \
    for (int i = 0; i < impl_::size_of<V>; i++) r[i] = RESULT(OP v[i]);    \
    return r;                                                              \
  }
HOLDALL_UNARY(-, T)
HOLDALL_UNARY(+, T)
HOLDALL_UNARY(~, T)
HOLDALL_UNARY(!, bool)

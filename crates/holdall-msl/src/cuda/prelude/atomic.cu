// Barriers, and atomic operations on `device` and `threadgroup` memory.

enum memory_order {
  memory_order_relaxed,
  memory_order_acquire,
  memory_order_release,
  memory_order_acq_rel,
  memory_order_seq_cst
};
enum thread_scope { thread_scope_thread, thread_scope_simdgroup, thread_scope_threadgroup, thread_scope_device };
enum class mem_flags : uint {
  mem_none = 0,
  mem_device = 1,
  mem_threadgroup = 2,
  mem_texture = 4,
  mem_threadgroup_imageblock = 8,
  mem_object_data = 16
};
constexpr mem_flags operator|(mem_flags a, mem_flags b) { return mem_flags(uint(a) | uint(b)); }
constexpr mem_flags operator&(mem_flags a, mem_flags b) { return mem_flags(uint(a) & uint(b)); }

// The barrier of a block waits for the threads that have not exited: since compute capability 7.0 it is enforced per
// thread (CUDA C++ Programming Guide, appendix on compute capability 7.x, independent thread scheduling).
inline void threadgroup_barrier(mem_flags, thread_scope = thread_scope_threadgroup) { __syncthreads(); }
inline void simdgroup_barrier(mem_flags, thread_scope = thread_scope_simdgroup) { __syncwarp(__activemask()); }
inline void atomic_thread_fence(
    mem_flags, memory_order = memory_order_seq_cst, thread_scope = thread_scope_device) {
  __threadfence();
}

template <typename T>
struct atomic {
  T value;
};
template <typename T>
using _atomic = atomic<T>;
typedef atomic<int> atomic_int;
typedef atomic<uint> atomic_uint;
typedef atomic<float> atomic_float;
typedef atomic<bool> atomic_bool;
typedef atomic<ulong> atomic_ulong;

namespace impl_ {
template <typename T>
struct same {
  typedef T type;
};
template <typename T>
using exactly = typename same<T>::type;

// An atomic value seen as the word that instructions change: of 8 or 4 bytes, or the one that a `bool` is in.
template <typename T>
struct cell {
  typedef conditional_t<sizeof(T) == 8, unsigned long long, unsigned> word;
  word* at;
  unsigned shift;

  cell(const volatile atomic<T>* object) {
    unsigned long long address = (unsigned long long)(object);
    at = (word*)(address & ~(unsigned long long)(sizeof(word) - 1));
    shift = unsigned(address & (sizeof(word) - 1)) * 8;
  }
  static constexpr word mask() { return sizeof(T) == sizeof(word) ? ~word(0) : word((1ull << sizeof(T) * 8 % 64) - 1); }
  static T out(word w, unsigned by) {
    w = w >> by & mask();
    T r;
    memcpy(&r, &w, sizeof(T));
    return r;
  }
  word in(word old, T value) const {
    word w = 0;
    memcpy(&w, &value, sizeof(T));
    return (old & ~(mask() << shift)) | w << shift;
  }
  word load() const { return *(volatile word*)(at); }

  // Replaces the value by a function of it.
  template <typename F>
  T change(F f) const {
    word old = load();
    for (;;) {
      word seen = atomicCAS(at, old, in(old, f(out(old, shift))));
      if (seen == old) return out(old, shift);
      old = seen;
    }
  }
};

template <typename T>
inline constexpr bool is_word = is_same_v<T, int> || is_same_v<T, uint> || is_same_v<T, ulong>;

struct ordered {
  memory_order order;
  ordered(memory_order o) : order(o) {
    if (o == memory_order_release || o >= memory_order_acq_rel) __threadfence();
  }
  ~ordered() {
    if (order == memory_order_acquire || order >= memory_order_acq_rel) __threadfence();
  }
};
}  // namespace impl_

template <typename T>
T atomic_load_explicit(
    const volatile atomic<T>* object, memory_order order = memory_order_relaxed, thread_scope = thread_scope_device) {
  impl_::ordered fence(order);
  return *(const volatile T*)(&object->value);
}
template <typename T>
void atomic_store_explicit(
    volatile atomic<T>* object,
    impl_::exactly<T> value,
    memory_order order = memory_order_relaxed,
    thread_scope = thread_scope_device) {
  impl_::ordered fence(order);
  *(volatile T*)(&object->value) = value;
}
template <typename T>
T atomic_exchange_explicit(
    volatile atomic<T>* object,
    impl_::exactly<T> value,
    memory_order order = memory_order_relaxed,
    thread_scope = thread_scope_device) {
  impl_::ordered fence(order);
  if constexpr (sizeof(T) >= 4) {
    impl_::cell<T> cell(object);
    return cell.out(atomicExch(cell.at, cell.in(0, value)), 0);
  } else {
    return impl_::cell<T>(object).change([=](T) { return value; });
  }
}
template <typename T>
bool atomic_compare_exchange_weak_explicit(
    volatile atomic<T>* object,
    T* expected,
    impl_::exactly<T> value,
    memory_order order = memory_order_relaxed,
    memory_order = memory_order_relaxed,
    thread_scope = thread_scope_device) {
  impl_::ordered fence(order);
  impl_::cell<T> cell(object);
  auto old = cell.load();
  auto wanted = cell.in(sizeof(T) >= 4 ? 0 : old, *expected);
  for (;;) {
    auto seen = atomicCAS(cell.at, wanted, cell.in(wanted, value));
    *expected = cell.out(seen, cell.shift);
    if (seen == wanted) return true;
    // Another part of the word may have changed.
    if (sizeof(T) >= 4 || cell.in(seen, cell.out(wanted, cell.shift)) != seen) return false;
    wanted = seen;
  }
}
template <typename T>
bool atomic_compare_exchange_strong_explicit(
    volatile atomic<T>* object,
    T* expected,
    impl_::exactly<T> value,
    memory_order order = memory_order_relaxed,
    memory_order other = memory_order_relaxed,
    thread_scope scope = thread_scope_device) {
  return atomic_compare_exchange_weak_explicit(object, expected, value, order, other, scope);
}

#define HOLDALL_ATOMIC(NAME, NATIVE, WORD, ...)                           \
  template <typename T>                                                   \
  T atomic_fetch_##NAME##_explicit(                                       \
      volatile atomic<T>* object,                                         \
      impl_::exactly<T> value,                                            \
      memory_order order = memory_order_relaxed,                          \
      thread_scope = thread_scope_device) {                               \
    impl_::ordered fence(order);                                          \
    if constexpr (WORD) {                                                 \
      return NATIVE;                                                      \
    } else {                                                              \
      return impl_::cell<T>(object).change([=](T old) { return T(__VA_ARGS__); }); \
    }                                                                     \
  }
#define HOLDALL_PLACE (T*)(&object->value)
HOLDALL_ATOMIC(add, atomicAdd(HOLDALL_PLACE, value), (impl_::is_word<T> || is_same_v<T, float>), old + value)
HOLDALL_ATOMIC(sub, atomicAdd(HOLDALL_PLACE, T(-value)), (impl_::is_word<T> || is_same_v<T, float>), old - value)
HOLDALL_ATOMIC(min, atomicMin(HOLDALL_PLACE, value), impl_::is_word<T>, impl_::min_op::at(old, value))
HOLDALL_ATOMIC(max, atomicMax(HOLDALL_PLACE, value), impl_::is_word<T>, impl_::max_op::at(old, value))
HOLDALL_ATOMIC(and, atomicAnd(HOLDALL_PLACE, value), impl_::is_word<T>, old & value)
HOLDALL_ATOMIC(or, atomicOr(HOLDALL_PLACE, value), impl_::is_word<T>, old | value)
HOLDALL_ATOMIC(xor, atomicXor(HOLDALL_PLACE, value), impl_::is_word<T>, old ^ value)
// Without a result.
template <typename T>
void atomic_max_explicit(
    volatile atomic<T>* object, impl_::exactly<T> value, memory_order order = memory_order_relaxed) {
  atomic_fetch_max_explicit(object, value, order);
}
template <typename T>
void atomic_min_explicit(
    volatile atomic<T>* object, impl_::exactly<T> value, memory_order order = memory_order_relaxed) {
  atomic_fetch_min_explicit(object, value, order);
}

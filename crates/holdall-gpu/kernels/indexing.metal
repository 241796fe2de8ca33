// Gathers and scatters. Index arrays become places first: where, in elements, what they name lies in the array.

// An integer as an index: what does not fit is out of any range.
inline long holdall_index_of(ulong x) { return x > ulong(LONG_MAX) ? LONG_MAX : long(x); }
template <typename T>
inline long holdall_index_of(T x) {
  return long(x);
}

// What a place is that is to be ignored.
constant constexpr long NOWHERE = LONG_MIN;

// The place of an index on an axis of `size`, of which those up to `last` count, with this stride.
template <bool CLAMP>
inline long holdall_place_of(long i, long size, long last, long stride) {
  long place = i < 0 ? i + size : i;
  if (CLAMP) {
    place = place < 0 ? 0 : (place > last ? last : place);
  } else if (place < 0 || place > last) {
    return NOWHERE;
  }
  return place * stride;
}

// Adds the places that an index array names on an axis to those of the axes before. axis: size, last, stride.
template <typename T, typename I, bool FIRST, bool CLAMP, int R>
[[kernel]] void places(
    const device T* index,
    device long* y,
    const constant ulong& size,
    const constant long& first,
    const constant long axis[3],
    const constant ulong dims[R],
    const constant long strides[R]) {
  I i = holdall_index<I>(thread_position_in_grid);
  if (i >= I(size)) return;
  long at = holdall_index_of(index[first + holdall_place<R>(i, dims, strides)]);
  long place = holdall_place_of<CLAMP>(at, axis[0], axis[1], axis[2]);
  if (FIRST) {
    y[i] = place;
  } else if (place == NOWHERE || y[i] == NOWHERE) {
    y[i] = NOWHERE;
  } else {
    y[i] += place;
  }
}

// Parts of x: the output's axes are B before, the places, A after. `first`: where x begins.
template <typename T, typename I, int B, int A>
[[kernel]] void gather(
    const device T* x,
    const device long* place,
    device T* y,
    const constant ulong& size,
    const constant ulong& places,
    const constant ulong& after_size,
    const constant long& first,
    const constant ulong before[B],
    const constant long before_strides[B],
    const constant ulong after[A],
    const constant long after_strides[A]) {
  I i = holdall_index<I>(thread_position_in_grid);
  if (i >= I(size)) return;
  I last = i % I(after_size);
  I rest = i / I(after_size);
  long from = first + place[rest % I(places)];
  from += holdall_place<A>(last, after, after_strides);
  from += holdall_place<B>(rest / I(places), before, before_strides);
  y[i] = x[from];
}

// The same for one index array, whose places are found at once. axis: size, last, stride, where the first index is.
template <typename T, typename N, typename I, int B, int R, int A>
[[kernel]] void gather_one(
    const device T* x,
    const device N* index,
    device T* y,
    const constant ulong& size,
    const constant ulong& places,
    const constant ulong& after_size,
    const constant long& first,
    const constant long axis[4],
    const constant ulong before[B],
    const constant long before_strides[B],
    const constant ulong dims[R],
    const constant long strides[R],
    const constant ulong after[A],
    const constant long after_strides[A]) {
  I i = holdall_index<I>(thread_position_in_grid);
  if (i >= I(size)) return;
  I last = i % I(after_size);
  I rest = i / I(after_size);
  long at = holdall_index_of(index[axis[3] + holdall_place<R>(rest % I(places), dims, strides)]);
  long from = first + holdall_place_of<true>(at, axis[0], axis[1], axis[2]);
  from += holdall_place<A>(last, after, after_strides);
  from += holdall_place<B>(rest / I(places), before, before_strides);
  y[i] = x[from];
}

// Elements along an axis: index array and output have the same shape. axis: size, last, stride, where the first index is.
template <typename T, typename N, typename I, int R>
[[kernel]] void gather_axis(
    const device T* x,
    const device N* index,
    device T* y,
    const constant ulong& size,
    const constant long& first,
    const constant long axis[4],
    const constant ulong dims[R],
    const constant long x_strides[R],
    const constant long index_strides[R]) {
  I i = holdall_index<I>(thread_position_in_grid);
  if (i >= I(size)) return;
  long at = holdall_index_of(index[axis[3] + holdall_place<R>(i, dims, index_strides)]);
  long from = first + holdall_place<R>(i, dims, x_strides);
  y[i] = x[from + holdall_place_of<true>(at, axis[0], axis[1], axis[2])];
}

constant constexpr int SET = 0;
constant constexpr int ADD = 1;
constant constexpr int MULTIPLY = 2;
constant constexpr int MAXIMUM = 3;
constant constexpr int MINIMUM = 4;

// What becomes of an element that meets an update.
template <int MODE, typename T>
inline T combined(T old, T update) {
  if constexpr (MODE == SET) {
    return update;
  } else {
    typedef typename holdall_wide<T>::type W;
    if constexpr (MODE == ADD) {
      return T(W(old) + W(update));
    } else if constexpr (MODE == MULTIPLY) {
      return T(W(old) * W(update));
    } else if constexpr (MODE == MAXIMUM) {
      return T(holdall_maximum(W(old), W(update)));
    } else {
      return T(holdall_minimum(W(old), W(update)));
    }
  }
}

// Which of the threads that share the elements of y has the one at this place.
inline uint owner(long place, uint owners) { return uint((ulong(place) * 0x9e3779b97f4a7c15ul) >> 32) % owners; }

// Updates are done in order: an element of y belongs to one thread, which goes through all updates and does those to its own.
// Thread (e, o) of parts x owners has element e of each part, where parts do not overlap, and the places that o owns; where they
// do, thread o goes through all elements of all parts. `first`: where the updates begin.
template <typename T, int MODE, bool OVERLAP, int R, int P>
[[kernel]] void scatter(
    const device T* update,
    const device long* place,
    device T* y,
    const constant ulong& part_size,
    const constant ulong& places,
    const constant uint& owners,
    const constant long& first,
    const constant ulong index_dims[R],
    const constant long index_strides[R],
    const constant ulong part[P],
    const constant long part_strides[P],
    const constant long y_strides[P]) {
  ulong i = holdall_index<ulong>(thread_position_in_grid);
  ulong parts = OVERLAP ? 1 : part_size;
  if (i >= parts * owners) return;
  uint mine = uint(i / parts);
  ulong begin = OVERLAP ? 0 : i % parts;
  ulong end = OVERLAP ? part_size : begin + 1;
  for (ulong n = 0; n < places; ++n) {
    long at = place[n];
    if (at == NOWHERE || (!OVERLAP && owner(at, owners) != mine)) continue;
    long row = first + holdall_place<R>(n, index_dims, index_strides);
    for (ulong e = begin; e < end; ++e) {
      long to = at + holdall_place<P>(e, part, y_strides);
      if (OVERLAP && owner(to, owners) != mine) continue;
      y[to] = combined<MODE, T>(y[to], update[row + holdall_place<P>(e, part, part_strides)]);
    }
  }
}

// The same along an axis: a line of updates, `length` long, goes into a line of y. Thread (line, owner). axis: size, last, stride,
// where the first index is; steps: distance along the line of indices and of updates; `first`: where the updates begin.
template <typename T, typename N, int MODE, int R>
[[kernel]] void scatter_axis(
    const device T* update,
    const device N* index,
    device T* y,
    const constant ulong& lines,
    const constant ulong& length,
    const constant uint& owners,
    const constant long& first,
    const constant long axis[4],
    const constant long steps[2],
    const constant ulong dims[R],
    const constant long index_strides[R],
    const constant long update_strides[R],
    const constant long y_strides[R]) {
  ulong i = holdall_index<ulong>(thread_position_in_grid);
  if (i >= lines * owners) return;
  ulong line = i % lines;
  uint mine = uint(i / lines);
  long indices = axis[3] + holdall_place<R>(line, dims, index_strides);
  long updates = first + holdall_place<R>(line, dims, update_strides);
  long target = holdall_place<R>(line, dims, y_strides);
  for (ulong n = 0; n < length; ++n) {
    long at = holdall_index_of(index[indices + long(n) * steps[0]]);
    long place = holdall_place_of<false>(at, axis[0], axis[1], axis[2]);
    if (place == NOWHERE || owner(place, owners) != mine) continue;
    y[target + place] = combined<MODE, T>(y[target + place], update[updates + long(n) * steps[1]]);
  }
}

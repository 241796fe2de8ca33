// Elements from one place to another: parts of arrays, and numbers at equal distances.

// Writes x, read by strides, to y, written by strides. `steps`: where the first elements are, then the strides, of x and of y.
template <typename T, typename I, int R>
[[kernel]] void move(
    const device T* x,
    device T* y,
    const constant ulong& size,
    const constant ulong dims[R],
    const constant long from[R],
    const constant long to[R],
    const constant long first[2]) {
  I rest = holdall_index<I>(thread_position_in_grid);
  if (rest >= I(size)) return;
  long source = first[0];
  long target = first[1];
  for (int axis = R - 1; axis >= 0; --axis) {
    I c = axis == 0 ? rest : rest % I(dims[axis]);
    rest /= I(dims[axis]);
    source += long(c) * from[axis];
    target += long(c) * to[axis];
  }
  y[target] = x[source];
}

// start + i * step in integers, whose low bits remain.
template <typename T, typename I>
[[kernel]] void arange_integer(
    device T* y, const constant ulong& size, const constant long& start, const constant long& step) {
  I i = holdall_index<I>(thread_position_in_grid);
  if (i >= I(size)) return;
  y[i] = T(ulong(start) + ulong(i) * ulong(step));
}

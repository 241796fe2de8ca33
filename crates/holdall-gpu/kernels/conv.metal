// Cross-correlation along one axis: a thread for each output.

// sizes: length of x, channels of x in a group, outputs along the length, channels of y, size of the kernel, channels of y in a
// group; shape: stride, padding, dilation; first: where x and w begin.
template <typename T>
[[kernel]] void conv1d(
    const device T* x,
    const device T* w,
    device T* y,
    const constant ulong& size,
    const constant uint sizes[6],
    const constant uint shape[3],
    const constant long x_strides[3],
    const constant long w_strides[3],
    const constant long first[2]) {
  ulong i = holdall_index<ulong>(thread_position_in_grid);
  if (i >= size) return;
  uint channel = uint(i % sizes[3]);
  ulong rest = i / sizes[3];
  long at = long(rest % sizes[2]) * shape[0] - long(shape[1]);
  const device T* from = x + first[0] + long(rest / sizes[2]) * x_strides[0];
  from += long(channel / sizes[5] * sizes[1]) * x_strides[2];
  const device T* weights = w + first[1] + long(channel) * w_strides[0];
  float sum = 0;
  for (uint k = 0; k < sizes[4]; ++k) {
    long place = at + long(k) * shape[2];
    if (place < 0 || place >= long(sizes[0])) continue;
    for (uint c = 0; c < sizes[1]; ++c) {
      float value = float(from[place * x_strides[1] + long(c) * x_strides[2]]);
      sum += value * float(weights[long(k) * w_strides[1] + long(c) * w_strides[2]]);
    }
  }
  y[i] = T(sum);
}

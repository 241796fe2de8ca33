// Norms, softmax and log-sum-exp: a group for each row, in float32. Rows have K axes; `first`: where x begins.

template <typename T, typename W, typename O, bool HAS_WEIGHT, int K, int GROUP>
[[kernel]] void rms_norm(
    const device T* x,
    const device W* weight,
    device O* y,
    const constant ulong& rows,
    const constant uint& length,
    const constant float& eps,
    const constant long steps[3],
    const constant ulong dims[K],
    const constant long strides[K]) {
  threadgroup float scratch[32];
  ulong row = holdall_group<ulong>(threadgroup_position_in_grid);
  if (row >= rows) return;
  uint lane = thread_position_in_threadgroup.x;
  // steps: where x begins, distance of its elements, and of the weights.
  const device T* from = x + steps[0] + holdall_place<K>(row, dims, strides);
  float sum = 0;
  for (uint i = lane; i < length; i += GROUP) {
    float value = float(from[long(i) * steps[1]]);
    sum += value * value;
  }
  sum = holdall_sum(sum, scratch, thread_index_in_simdgroup, simdgroup_index_in_threadgroup, GROUP / 32);
  float factor = 1.0f / metal::precise::sqrt(sum / float(length) + eps);
  device O* to = y + row * length;
  for (uint i = lane; i < length; i += GROUP) {
    float value = float(from[long(i) * steps[1]]) * factor;
    to[i] = O(HAS_WEIGHT ? value * float(weight[long(i) * steps[2]]) : value);
  }
}

template <typename T, typename W, typename B, typename O, bool HAS_WEIGHT, bool HAS_BIAS, int K, int GROUP>
[[kernel]] void layer_norm(
    const device T* x,
    const device W* weight,
    const device B* bias,
    device O* y,
    const constant ulong& rows,
    const constant uint& length,
    const constant float& eps,
    const constant long steps[4],
    const constant ulong dims[K],
    const constant long strides[K]) {
  threadgroup float scratch[32];
  ulong row = holdall_group<ulong>(threadgroup_position_in_grid);
  if (row >= rows) return;
  uint lane = thread_position_in_threadgroup.x;
  const device T* from = x + steps[0] + holdall_place<K>(row, dims, strides);
  float sum = 0;
  for (uint i = lane; i < length; i += GROUP) {
    sum += float(from[long(i) * steps[1]]);
  }
  uint simd_lane = thread_index_in_simdgroup;
  uint simd = simdgroup_index_in_threadgroup;
  float mean = holdall_sum(sum, scratch, simd_lane, simd, GROUP / 32) / float(length);
  float squares = 0;
  for (uint i = lane; i < length; i += GROUP) {
    float value = float(from[long(i) * steps[1]]) - mean;
    squares += value * value;
  }
  float variance = holdall_sum(squares, scratch, simd_lane, simd, GROUP / 32) / float(length);
  float factor = 1.0f / metal::precise::sqrt(variance + eps);
  device O* to = y + row * length;
  for (uint i = lane; i < length; i += GROUP) {
    float value = (float(from[long(i) * steps[1]]) - mean) * factor;
    if (HAS_WEIGHT) {
      value *= float(weight[long(i) * steps[2]]);
    }
    if (HAS_BIAS) {
      value += float(bias[long(i) * steps[3]]);
    }
    to[i] = O(value);
  }
}

// steps: where x begins, distance of its elements and of those of y.
template <typename T, int K, int GROUP>
[[kernel]] void softmax(
    const device T* x,
    device T* y,
    const constant ulong& rows,
    const constant ulong& length,
    const constant long steps[3],
    const constant ulong dims[K],
    const constant long strides[K],
    const constant long y_strides[K]) {
  threadgroup float scratch[32];
  ulong row = holdall_group<ulong>(threadgroup_position_in_grid);
  if (row >= rows) return;
  uint lane = thread_position_in_threadgroup.x;
  uint simd_lane = thread_index_in_simdgroup;
  uint simd = simdgroup_index_in_threadgroup;
  const device T* from = x + steps[0] + holdall_place<K>(row, dims, strides);
  float top = -INFINITY;
  for (ulong i = lane; i < length; i += GROUP) {
    top = holdall_maximum(float(from[long(i) * steps[1]]), top);
  }
  top = holdall_largest(top, scratch, simd_lane, simd, GROUP / 32);
  float sum = 0;
  for (ulong i = lane; i < length; i += GROUP) {
    sum += metal::precise::exp(float(from[long(i) * steps[1]]) - top);
  }
  float factor = 1.0f / holdall_sum(sum, scratch, simd_lane, simd, GROUP / 32);
  device T* to = y + holdall_place<K>(row, dims, y_strides);
  for (ulong i = lane; i < length; i += GROUP) {
    to[long(i) * steps[2]] = T(metal::precise::exp(float(from[long(i) * steps[1]]) - top) * factor);
  }
}

template <typename T, int K, int GROUP>
[[kernel]] void logsumexp(
    const device T* x,
    device T* y,
    const constant ulong& rows,
    const constant ulong& length,
    const constant long steps[2],
    const constant ulong dims[K],
    const constant long strides[K]) {
  threadgroup float scratch[32];
  ulong row = holdall_group<ulong>(threadgroup_position_in_grid);
  if (row >= rows) return;
  uint lane = thread_position_in_threadgroup.x;
  uint simd_lane = thread_index_in_simdgroup;
  uint simd = simdgroup_index_in_threadgroup;
  const device T* from = x + steps[0] + holdall_place<K>(row, dims, strides);
  float top = -INFINITY;
  for (ulong i = lane; i < length; i += GROUP) {
    top = holdall_maximum(float(from[long(i) * steps[1]]), top);
  }
  top = holdall_largest(top, scratch, simd_lane, simd, GROUP / 32);
  float sum = 0;
  for (ulong i = lane; i < length; i += GROUP) {
    float value = float(from[long(i) * steps[1]]);
    // Equal infinities have no difference.
    sum += value == top ? 1.0f : metal::precise::exp(value - top);
  }
  sum = holdall_sum(sum, scratch, simd_lane, simd, GROUP / 32);
  if (lane == 0) {
    y[row] = T(metal::isinf(top) ? top : top + metal::precise::log(sum));
  }
}

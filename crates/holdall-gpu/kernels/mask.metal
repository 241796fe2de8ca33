// Parts written where a mask is true, in order: before[place] places before one are written.

template <typename T, typename I>
[[kernel]] void masked_scatter(
    const device bool* mask,
    const device uint* before,
    const device T* values,
    device T* y,
    const constant ulong& size,
    const constant ulong& part_size,
    const constant ulong& parts) {
  I i = holdall_index<I>(thread_position_in_grid);
  if (i >= I(size)) return;
  I place = i / I(part_size);
  if (mask[place] && before[place] < parts) {
    y[i] = values[I(before[place]) * I(part_size) + i % I(part_size)];
  }
}

// Where a thread is. Blocks have one dimension; the position follows from the index over the group's real extents, so
// that the groups at the edge have the simd groups that they have in Metal.

namespace impl_ {
struct grid_facts {
  uint grid[3];
  uint group[3];
};
template <typename T, int N>
struct values {
  T of[N];
};
template <typename T>
using axes = values<T, 16>;

struct position {
  uint3 grid, nominal, groups, size, group, local;
  uint n;

  // 32 bits do: a launch has less than 2^31 groups.
  position(const grid_facts& facts) {
    grid = uint3(facts.grid[0], facts.grid[1], facts.grid[2]);
    nominal = uint3(facts.group[0], facts.group[1], facts.group[2]);
    groups = uint3(rounded(grid.x, nominal.x), rounded(grid.y, nominal.y), rounded(grid.z, nominal.z));
    group = split(blockIdx.x, groups);
    size = uint3(
        left(grid.x, nominal.x, group.x), left(grid.y, nominal.y, group.y), left(grid.z, nominal.z, group.z));
    n = size.x * size.y * size.z;
    local = split(threadIdx.x, size);
  }
  static uint rounded(uint n, uint by) { return (n - 1) / by + 1; }
  static uint left(uint n, uint by, uint at) { return n - at * by < by ? n - at * by : by; }
  static uint3 split(uint index, uint3 of) {
    if (of.y == 1 && of.z == 1) return uint3(index, 0, 0);
    uint rest = index / of.x;
    return uint3(index % of.x, rest % of.y, rest / of.y);
  }
};
}  // namespace impl_

// Threefry-2x32 of 20 rounds.

inline uint2 threefry(uint2 key, uint2 counter) {
  const uint rotations[8] = {13, 15, 26, 6, 17, 29, 16, 24};
  const uint keys[3] = {key.x, key.y, key.x ^ key.y ^ 0x1bd11bdau};
  uint a = counter.x + keys[0];
  uint b = counter.y + keys[1];
  for (uint group = 1; group <= 5; ++group) {
    uint first = group % 2 == 1 ? 0 : 4;
    for (uint i = 0; i < 4; ++i) {
      uint by = rotations[first + i];
      a += b;
      b = ((b << by) | (b >> (32 - by))) ^ a;
    }
    a += keys[group % 3];
    b += keys[(group + 1) % 3] + group;
  }
  return uint2(a, b);
}

// The part of a word that is in the output.
inline void put_word(device uchar* y, ulong word, uint value, ulong bytes) {
  for (ulong i = 0; i < 4 && 4 * word + i < bytes; ++i) {
    y[4 * word + i] = uchar(value >> (8 * i));
  }
}

// A thread for each counter: words i and i + half of the output.
[[kernel]] void random_bits(
    const device uint* key, device uchar* y, const constant ulong& bytes, const constant ulong& words) {
  ulong i = holdall_index<ulong>(thread_position_in_grid);
  ulong half_size = (words + 1) / 2;
  if (i >= half_size) return;
  ulong second = i + half_size;
  uint2 bits = threefry(uint2(key[0], key[1]), uint2(uint(i), second < words ? uint(second) : 0));
  put_word(y, i, bits.x, bytes);
  if (second < words) {
    put_word(y, second, bits.y, bytes);
  }
}

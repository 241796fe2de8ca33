// Makes n words zero: counters, before the launch that counts with them.
//
// Launch: grid ceil(n / 256), block 256, no shared memory.

extern "C" __global__ void zero(unsigned *words, unsigned n) {
    const unsigned i = blockIdx.x * 256 + threadIdx.x;
    if (i < n) words[i] = 0;
}

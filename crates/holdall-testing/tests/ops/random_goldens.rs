//! What MLX 0.32.4 draws on its CPU: floats as their bits. `SEED` is the key's seed.

/// The seed of the keys; it has an upper half.
pub const SEED: u64 = 0x1234_5678_9abc_def0;

/// `split(key, 3)`
pub const SPLIT: [u32; 6] = [763154297, 1583069150, 1927580369, 2793666216, 2154091483, 3316728533];
/// `uniform` of shape [5]
pub const UNIFORM_ODD: [u32; 5] = [0x3e35f33e, 0x3ebcb770, 0x3ebc662d, 0x3f2683f7, 0x3f0064d4];
/// `uniform` of shape [2, 3]
pub const UNIFORM_EVEN: [u32; 6] = [0x3e35f33e, 0x3ebcb770, 0x3ee5c916, 0x3f2683f7, 0x3f0064d4, 0x3f45b143];
/// `uniform` of no dimensions
pub const UNIFORM_ONE: [u32; 1] = [0x3f6d2803];
/// `uniform` from -3 to 7.5, shape [6]
pub const UNIFORM_RANGE: [u32; 6] = [0xbf9130bf, 0x3f5ec30c, 0x3fdb2fd8, 0x40751a68, 0x401108ac, 0x40a378a8];
/// `uniform` from -3 to 7.5 in float16, shape [6]
pub const UNIFORM_HALF: [u32; 6] = [0xbf912000, 0x3f5f0000, 0x3fdb0000, 0x40750000, 0x40110000, 0x40a38000];
/// `uniform` from -3 to 7.5 in bfloat16, shape [6]
pub const UNIFORM_BRAIN: [u32; 6] = [0xbf910000, 0x3f600000, 0x3fdc0000, 0x40760000, 0x40100000, 0x40a40000];
/// `bernoulli(0.3)` of shape [16]
pub const BERNOULLI: [u8; 16] = [0, 1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0];
/// `randint` from -10 to 20 of shape [12]
pub const RANDINT: [i32; 12] = [-4, -7, 15, 13, -6, -5, 4, 14, 17, -2, 8, 7];
/// `randint` from -2^31 to 2^40 in int64, shape [5]
pub const RANDINT_LARGE: [i64; 5] = [193601601536, 403909771264, 403226755072, 714427924480, 550376964096];
/// `permutation(11)`
pub const PERMUTATION: [u32; 11] = [1, 4, 0, 5, 9, 6, 10, 3, 7, 2, 8];
/// `normal` of shape [8]
pub const NORMAL: [u32; 8] =
    [0x3f9cd819, 0xbec7513d, 0x3e8e54a7, 0xbfa8d1ba, 0x3ff2b909, 0x3f8fe643, 0xbf6afcc7, 0xc001a242];
/// `normal` of mean 2 and deviation 3, shape [8]
pub const NORMAL_SCALED: [u32; 8] =
    [0x40b5a213, 0x3f550624, 0x40355fbf, 0xbffa752c, 0x40f60ac6, 0x40abecb2, 0xbf40f654, 0xc0827363];
/// `normal` in float16, shape [8]
pub const NORMAL_HALF: [u32; 8] =
    [0x3f9cc000, 0xbec76000, 0x3e8e4000, 0xbfa8c000, 0x3ff2c000, 0x3f8fe000, 0xbf6ae000, 0xc001a000];
/// `gumbel` of shape [8]
pub const GUMBEL: [u32; 8] =
    [0x40096f79, 0xbd578971, 0x3f33f323, 0xbf5cc2bc, 0x4061bc28, 0x3ffbda47, 0xbf0a9d8b, 0xbfac5b10];
/// `laplace` around 2 of scale 3, shape [8]
pub const LAPLACE: [u32; 8] =
    [0xc0225302, 0x40454a22, 0x3fa117c4, 0x40e0daad, 0xc0d177bc, 0xc001f560, 0x40a26faf, 0x41373e64];
/// `laplace` in bfloat16, shape [8]
pub const LAPLACE_BRAIN: [u32; 8] =
    [0xbfc20000, 0x3eb90000, 0xbe7d0000, 0x3fd60000, 0xc0360000, 0xbfac0000, 0x3f830000, 0x404a0000];
/// `truncated_normal` from -1 to 2, shape [8]
pub const TRUNCATED: [u32; 8] =
    [0x3f9afce6, 0xbe10518c, 0x3ecfcdff, 0xbf38b964, 0x3fd71117, 0x3f90742e, 0xbf023f37, 0xbf6e163f];
/// `categorical` of 6 distributions over 50
pub const CATEGORICAL_BATCH: [u32; 6] = [25, 40, 13, 48, 23, 34];
/// `categorical` along axis 0 of 50 by 6
pub const CATEGORICAL_FIRST_AXIS: [u32; 6] = [33, 37, 47, 10, 14, 18];
/// `categorical` of 3 distributions over 20, 4 samples each
pub const CATEGORICAL_SAMPLES: [u32; 12] = [2, 14, 14, 1, 9, 6, 6, 5, 11, 12, 11, 1];
/// `categorical` of 3 distributions over 20, shape [2, 3]
pub const CATEGORICAL_SHAPE: [u32; 6] = [2, 6, 10, 15, 18, 12];
/// `categorical` of one distribution over 1000, of no dimensions
pub const CATEGORICAL_VECTOR: [u32; 1] = [926];
/// `categorical` of shape [1, 1000] with keys of seeds 0 to 15
pub const CATEGORICAL_DECODE: [u32; 16] =
    [420, 125, 422, 867, 173, 631, 520, 852, 914, 655, 99, 457, 309, 818, 226, 531];
/// `categorical` of shape [1, 1000], 12 samples
pub const CATEGORICAL_MANY: [u32; 12] = [210, 136, 853, 779, 149, 198, 494, 815, 914, 284, 605, 581];
/// `uniform` of shape [2], then `randint` from 0 to 100 of shape [3] as float32, then `uniform` of no dimensions, after `seed(7)`
pub const STATE: [u32; 6] = [0x3f03c7c6, 0x3da0c000, 0x42680000, 0x422c0000, 0x428c0000, 0x3e8b02f3];

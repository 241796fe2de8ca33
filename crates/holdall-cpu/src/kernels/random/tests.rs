use super::hash;

#[test]
fn hashes_are_those_of_the_reference_implementation() {
    // Known answers of Random123 for threefry2x32, 20 rounds: key, counter, result.
    for (key, [a, b], want) in [
        ([0, 0], [0, 0], [0x6b20_0159, 0x99ba_4efe]),
        ([!0, !0], [!0, !0], [0x1cb9_96fc, 0xbb00_2be7]),
        ([0x1319_8a2e, 0x0370_7344], [0x243f_6a88, 0x85a3_08d3], [0xc492_3a9c, 0x483d_f7a0]),
    ] {
        let (mut a, mut b) = ([a; 3], [b; 3]);
        hash(key, &mut a, &mut b);
        assert_eq!((a, b), ([want[0]; 3], [want[1]; 3]));
    }
}

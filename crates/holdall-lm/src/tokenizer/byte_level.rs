//! The byte alphabet of byte-level BPE: each of the 256 bytes is written as one printable character.

/// Whether a byte stands for itself (as the Latin-1 character of the same number).
const fn is_printable(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF)
}

/// First character given to the bytes that do not stand for themselves.
const FIRST_STAND_IN: u32 = 0x100;

/// How many bytes do not stand for themselves.
const STAND_INS: usize = {
    let mut count = 0;
    let mut byte = 0;
    while byte < 256 {
        if !is_printable(byte as u8) {
            count += 1;
        }
        byte += 1;
    }
    count
};

/// The bytes written as U+0100, U+0101, … in that order.
const STAND_IN_BYTES: [u8; STAND_INS] = {
    let mut bytes = [0; STAND_INS];
    let mut next = 0;
    let mut byte = 0;
    while byte < 256 {
        if !is_printable(byte as u8) {
            bytes[next] = byte as u8;
            next += 1;
        }
        byte += 1;
    }
    bytes
};

/// The byte that a character of the alphabet stands for; `None` for any other character.
///
/// # Source
/// GPT-2's table: printable Latin-1 bytes map to themselves, the other 68 to U+0100 and up in byte order.
pub(crate) fn byte_of(character: char) -> Option<u8> {
    let code = u32::from(character);
    match u8::try_from(code) {
        Ok(byte) => is_printable(byte).then_some(byte),
        Err(_) => STAND_IN_BYTES.get((code - FIRST_STAND_IN) as usize).copied(),
    }
}

/// Appends the bytes that `token` stands for. A token with any character outside the alphabet is not
/// byte-level text (an added token, say) and is appended as it is.
pub(crate) fn append_bytes(token: &str, out: &mut Vec<u8>) {
    let start = out.len();
    for character in token.chars() {
        if let Some(byte) = byte_of(character) {
            out.push(byte);
        } else {
            out.truncate(start);
            out.extend_from_slice(token.as_bytes());
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alphabet_covers_each_byte_once() {
        let mut seen = [false; 256];
        for code in 0..0x200 {
            if let Some(byte) = char::from_u32(code).and_then(byte_of) {
                assert!(!seen[usize::from(byte)], "byte {byte} has two characters");
                seen[usize::from(byte)] = true;
            }
        }
        assert!(seen.iter().all(|&x| x));
        assert_eq!(STAND_INS, 68);
    }

    #[test]
    fn known_characters() {
        assert_eq!(byte_of('Ġ'), Some(b' '));
        assert_eq!(byte_of('Ċ'), Some(b'\n'));
        assert_eq!(byte_of('ĉ'), Some(b'\t'));
        assert_eq!(byte_of('A'), Some(b'A'));
        assert_eq!(byte_of(' '), None);
        assert_eq!(byte_of('Ń'), Some(0xAD));
        assert_eq!(byte_of('ł'), Some(0xA0));
        assert_eq!(byte_of('ń'), None);
        assert_eq!(byte_of('語'), None);
    }

    #[test]
    fn foreign_tokens_stay_as_they_are() {
        let mut out = b"x".to_vec();
        append_bytes("Ġa", &mut out);
        append_bytes("a b", &mut out);
        assert_eq!(out, b"x aa b");
    }
}

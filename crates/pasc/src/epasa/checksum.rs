//! The four hex digits at the end of an E-PASA: they catch a mistyped character, and nothing that is meant. Never a hash for anything
//! else: MurmurHash3 keeps no secret and resists nobody.

/// The low 16 bits of the text's MurmurHash3, the lower byte first.
pub(super) fn of(text: &str) -> String {
    let [low, high, ..] = murmur3(text.as_bytes()).to_le_bytes();
    format!("{low:02x}{high:02x}")
}

/// MurmurHash3 in its form x86-32, seed 0.
fn murmur3(bytes: &[u8]) -> u32 {
    let scramble = |block: u32| block.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
    let (blocks, tail) = bytes.as_chunks::<4>();
    let mut hash = 0u32;
    for block in blocks {
        hash ^= scramble(u32::from_le_bytes(*block));
        hash = hash.rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
    }
    let tail = tail.iter().rev().fold(0u32, |word, byte| word << 8 | u32::from(*byte));
    hash ^= scramble(tail);
    // The length counts modulo 2^32, like everything here.
    hash ^= u32::try_from(bytes.len() & 0xffff_ffff).expect("the mask leaves 32 bits");
    hash = (hash ^ hash >> 16).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ hash >> 13).wrapping_mul(0xc2b2_ae35);
    hash ^ hash >> 16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_murmur3() {
        // Widely published values of MurmurHash3 x86-32 with seed 0.
        assert_eq!(murmur3(b""), 0);
        assert_eq!(murmur3(b"test"), 0xba6b_d213);
        assert_eq!(murmur3(b"Hello, world!"), 0xc036_3e43);
        assert_eq!(murmur3(b"The quick brown fox jumps over the lazy dog"), 0x2e4f_f723);
    }
}

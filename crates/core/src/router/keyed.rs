//! Hashing with a key of this process: nobody outside can choose ids or targets that share a place in a table.

use std::hash::BuildHasher;

use siphasher::sip::SipHasher13;

#[derive(Clone)]
pub(super) struct Keyed(pub(super) [u8; 16]);

impl BuildHasher for Keyed {
    type Hasher = SipHasher13;

    fn build_hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_key(&self.0)
    }
}

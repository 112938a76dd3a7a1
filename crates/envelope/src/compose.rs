//! Wraps a message: the finished body of one record, or what is cut into parts. Never decides how it is to be wrapped.

use nightjar_pasc::key::PublicKey;
use rand_core::CryptoRng;

use crate::Place;
use crate::form::{anonymous, signed};
use crate::key::{ChatKey, ChatSecret};
use crate::map::Map;
use crate::seal::channel::ChannelKey;
use crate::seal::pair::PairKey;
use crate::seal::{SealFault, direct, pascal};
use crate::sign::OuterForm;

/// How a message is wrapped.
#[derive(Clone, Copy, Debug)]
pub enum Wrap<'k> {
    /// In clear, by nobody.
    Anonymous,
    /// In clear, signed.
    Signed(&'k ChatSecret),
    /// For who knows a channel's passphrase.
    Channel {
        /// The channel's key.
        key: &'k ChannelKey,
        /// Who signs it; nobody is an anonymous member.
        author: Option<&'k ChatSecret>,
    },
    /// For the holder of a chat key who does not know us yet.
    First {
        /// We.
        sender: &'k ChatSecret,
        /// He.
        recipient: &'k ChatKey,
        /// Whether it is also signed: then he can show it to others.
        shown: bool,
    },
    /// For the other of a pair.
    Pair {
        /// The pair's key.
        key: &'k PairKey,
        /// We, the pair's own key, when it is also signed: then he can show it to others.
        shown: Option<&'k ChatSecret>,
    },
}

/// The finished body of a map at this place.
pub fn compose(place: &Place, wrap: &Wrap<'_>, map: &Map, rng: &mut impl CryptoRng) -> Result<Vec<u8>, SealFault> {
    let inner = |author: Option<&ChatSecret>, outer| {
        author.map_or_else(|| anonymous(map), |author| signed(author, place, outer, map))
    };
    match wrap {
        Wrap::Anonymous => Ok(anonymous(map)),
        Wrap::Signed(author) => Ok(inner(Some(author), OuterForm::Clear)),
        Wrap::Channel { key, author } => key.seal(place, inner(*author, OuterForm::Channel), rng),
        Wrap::First { sender, recipient, shown } => {
            let inner = inner(shown.then_some(*sender), OuterForm::First);
            direct::seal(sender, recipient, place, inner, rng)
        }
        Wrap::Pair { key, shown } => {
            let author = shown.filter(|author| author.public() == *key.own());
            key.seal(place, inner(author, OuterForm::Pair), rng)
        }
    }
}

/// The finished body of a text under one of PascalCoin's own seals.
pub fn compose_text(to: &TextSeal<'_>, text: &str, rng: &mut impl CryptoRng) -> Result<Vec<u8>, SealFault> {
    match to {
        TextSeal::Key(key) => pascal::seal_for_key(key, text, rng),
        TextSeal::Password(password) => Ok(pascal::seal_with_password(password, text, rng)),
    }
}

/// PascalCoin's own seals.
#[derive(Clone, Copy, Debug)]
pub enum TextSeal<'k> {
    /// For the key of an account.
    Key(&'k PublicKey),
    /// With a password.
    Password(&'k str),
}

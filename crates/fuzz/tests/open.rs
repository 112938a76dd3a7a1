//! No body upsets what opens it, whatever its target means; from random bytes nothing comes that was sealed or signed, and what was
//! changed on the way is not shown.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail loudly")]

use nightjar_core::chain::Network;
use nightjar_core::record::Target;
use nightjar_envelope::compose::{TextSeal, Wrap, compose, compose_text};
use nightjar_envelope::key::{ChatKey, ChatSecret};
use nightjar_envelope::map::MapDraft;
use nightjar_envelope::open::{Meaning, Opened, OpenedMessage, Refused, Says, open};
use nightjar_envelope::seal::channel::ChannelKey;
use nightjar_envelope::seal::direct;
use nightjar_envelope::seal::pair::PairKey;
use nightjar_envelope::sign::OuterForm;
use nightjar_envelope::{Place, form};
use nightjar_pasc::key::{Curve, PrivateKey};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use zeroize::Zeroizing;

const EXPIRY: u32 = 1_800_000_000;
const DAY: u32 = EXPIRY / 86_400;
const PASSWORDS: &[&str] = &["", "sesame"];

/// Keys of every kind.
struct Keys {
    alice: ChatSecret,
    bob: [ChatSecret; 1],
    accounts: [PrivateKey; 1],
    channel: ChannelKey,
    hers: PairKey,
    his: PairKey,
}

impl Keys {
    fn new() -> Self {
        let [alice, bob] = [1, 2].map(|number| ChatSecret::from_seed(&Zeroizing::new([number; 32])));
        Self {
            hers: PairKey::between(Network::Main, &alice, &bob.public()).unwrap(),
            his: PairKey::between(Network::Main, &bob, &alice.public()).unwrap(),
            channel: ChannelKey::from_root(Zeroizing::new([9; 32])),
            accounts: [PrivateKey::from_scalar(Curve::Secp256k1, &[7; 32]).unwrap()],
            alice,
            bob: [bob],
        }
    }

    /// Everything that a target can mean, and where that is.
    fn meanings(&self) -> [(Place, Meaning<'_>); 4] {
        let own = Meaning::Own { secrets: &self.bob, accounts: &self.accounts, passwords: PASSWORDS };
        [
            (at(Target([5; 16])), Meaning::Open { passwords: PASSWORDS }),
            (at(Target([6; 16])), own),
            (at(self.channel.target(DAY)), Meaning::Channel(&self.channel)),
            (at(self.his.target_to(self.his.own(), DAY)), Meaning::Pair(&self.his)),
        ]
    }
}

fn at(target: Target) -> Place {
    Place { network: Network::Main, target, expiry: EXPIRY }
}

#[test]
fn body() {
    let keys = Keys::new();
    bolero::check!().with_iterations(500).for_each(|bytes: &[u8]| {
        for (place, meaning) in keys.meanings() {
            look_at(bytes, &open(&place, bytes, &meaning));
            // Random bytes seldom begin with a form.
            for first in 0..=form::PART + 1 {
                let body = [&[first], bytes].concat();
                look_at(&body, &open(&place, &body, &meaning));
            }
        }
    });
}

/// What comes from bytes that nobody sealed or signed.
fn look_at(body: &[u8], opened: &Opened) {
    let Opened::Message(message) = opened else { return };
    assert_eq!(message.form, body[0]);
    assert!(!message.signed && message.author.is_none() && message.recipient.is_none());
    match &message.says {
        // Without an author and in clear: these anybody can write.
        Says::Map(map) => assert_eq!((body[0], map.bytes()), (form::ANONYMOUS, &body[1..])),
        // Under a password, of which one in 256 opens something.
        Says::Text(text) => {
            assert_eq!(body[0], form::AES);
            assert!(text.len() < body.len());
        }
    }
}

/// Any inner body, sealed as it should be: the sender decides what stands in it.
#[test]
fn inner_body_of_a_sender_who_does_as_he_likes() {
    let keys = Keys::new();
    bolero::check!().with_iterations(500).for_each(|bytes: &[u8]| {
        let [.., (_, own), (hidden, channel), (pair, his)] = keys.meanings();
        let bob = keys.bob[0].public();
        let nick = at(Target([6; 16]));
        let mut rng = ChaCha20Rng::from_seed([3; 32]);
        for first in [
            None,
            Some(&[form::ANONYMOUS][..]),
            Some(&[form::ANONYMOUS, 0xa2, 1, 0, 2, 0][..]),
            Some(&[form::SIGNED][..]),
        ] {
            let inner = [first.unwrap_or_default(), bytes].concat();
            if let Ok(body) = keys.channel.seal(&hidden, inner.clone(), &mut rng) {
                look_inside(&inner, &open(&hidden, &body, &channel), None);
            }
            if let Ok(body) = keys.hers.seal(&pair, inner.clone(), &mut rng) {
                look_inside(&inner, &open(&pair, &body, &his), Some(keys.alice.public()));
            }
            if let Ok(body) = direct::seal(&keys.alice, &bob, &nick, inner.clone(), &mut rng) {
                look_inside(&inner, &open(&nick, &body, &own), Some(keys.alice.public()));
            }
        }
    });
}

fn look_inside(inner: &[u8], opened: &Opened, sender: Option<ChatKey>) {
    match opened {
        Opened::Message(OpenedMessage { author, signed, says: Says::Map(map), .. }) => {
            // Nobody signed it: the author is whoever sealed it.
            assert!(!signed);
            assert_eq!((*author, inner[0]), (sender, form::ANONYMOUS));
            // The padding of a seal may have become the end of the map.
            let shown = map.bytes().len().min(inner.len() - 1);
            assert_eq!(map.bytes()[..shown], inner[1..=shown]);
            assert!(map.bytes()[shown..].iter().all(|byte| *byte == 0));
        }
        Opened::Message(message) => panic!("{message:?}"),
        Opened::Unreadable(_) => {}
        Opened::Refused(refused) => assert_eq!(*refused, Refused::Forged),
    }
}

#[test]
fn changed_body() {
    let keys = Keys::new();
    let map = MapDraft::text(1_799_999_999_000, "good night").build().unwrap();
    let mut rng = ChaCha20Rng::from_seed([3; 32]);
    let bob = keys.bob[0].public();
    let [_, (nick, own), (hidden, channel), (pair, his)] = keys.meanings();
    let sealed = [
        (Wrap::Signed(&keys.alice), nick, own),
        (Wrap::Channel { key: &keys.channel, author: None }, hidden, channel),
        (Wrap::Channel { key: &keys.channel, author: Some(&keys.alice) }, hidden, channel),
        (Wrap::First { sender: &keys.alice, recipient: &bob, shown: false }, nick, own),
        (Wrap::First { sender: &keys.alice, recipient: &bob, shown: true }, nick, own),
        (Wrap::Pair { key: &keys.hers, shown: None }, pair, his),
        (Wrap::Pair { key: &keys.hers, shown: Some(&keys.alice) }, pair, his),
    ]
    .map(|(wrap, place, meaning)| (compose(&place, &wrap, &map, &mut rng).unwrap(), place, meaning));
    bolero::check!().with_type::<(u8, u16, Vec<u8>, bool)>().with_iterations(500).for_each(
        |(which, place_in, bytes, cut)| {
            let (body, place, meaning) = &sealed[usize::from(*which) % sealed.len()];
            assert!(matches!(open(place, body, meaning), Opened::Message(_)));
            let changed = changed(body, *place_in, bytes, *cut);
            if changed != *body
                && let Opened::Message(message) = open(place, &changed, meaning)
            {
                // Another form may come of the first byte, but nothing that says it is hers.
                assert!(message.author.is_none() && changed[0] != body[0], "{message:?}");
            }
        },
    );
}

/// The forms of wallets: nothing authenticates them wholly, so all that holds is that no author is claimed.
#[test]
fn changed_container() {
    let keys = Keys::new();
    let mut rng = ChaCha20Rng::from_seed([3; 32]);
    let account = keys.accounts[0].public_key();
    let sealed = [TextSeal::Key(&account), TextSeal::Password("sesame")]
        .map(|seal| compose_text(&seal, "seventeen letters", &mut rng).unwrap());
    bolero::check!().with_type::<(bool, u16, Vec<u8>, bool)>().with_iterations(500).for_each(
        |(which, place_in, bytes, cut)| {
            let body = &sealed[usize::from(*which)];
            let [_, (place, own), ..] = keys.meanings();
            let changed = changed(body, *place_in, bytes, *cut);
            match open(&place, &changed, &own) {
                Opened::Message(message) => {
                    assert!(message.author.is_none() && !message.signed);
                    if let (form::PASCAL, Says::Text(text)) = (message.form, &message.says) {
                        assert_eq!(text.trim_end_matches('\0'), "seventeen letters");
                    }
                }
                Opened::Unreadable(_) => {}
                Opened::Refused(refused) => assert_ne!(refused, Refused::Outsider),
            }
        },
    );
}

/// Bytes signed in clear that nobody signed so, behind a key that is one.
#[test]
fn signature_by_nobody() {
    let keys = Keys::new();
    bolero::check!().with_type::<([u8; 32], [u8; 32], Vec<u8>)>().with_iterations(500).for_each(|(r, s, rest)| {
        let [(place, meaning), ..] = keys.meanings();
        let author = keys.alice.public();
        for map in [&[0xa2, 1, 0, 2, 0], rest.as_slice()] {
            let body = [&[OuterForm::Clear as u8], author.as_bytes().as_slice(), r, s, map].concat();
            assert!(!matches!(open(&place, &body, &meaning), Opened::Message(_)));
        }
    });
}

fn changed(body: &[u8], place: u16, bytes: &[u8], cut: bool) -> Vec<u8> {
    let mut changed = body.to_vec();
    let place = usize::from(place) % changed.len();
    for (old, new) in changed[place..].iter_mut().zip(bytes) {
        *old = *new;
    }
    if cut {
        changed.truncate(place);
    }
    changed
}

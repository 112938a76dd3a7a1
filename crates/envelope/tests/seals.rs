//! What is sealed is opened by those it is for, where it was put, and by nobody else.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

use std::borrow::Cow;

use nightjar_core::chain::Network;
use nightjar_core::name::target_of_text;
use nightjar_core::record::{BODY_BYTES_MAX, Target};
use nightjar_envelope::compose::{TextSeal, Wrap, compose, compose_text};
use nightjar_envelope::key::{ChatKey, ChatSecret};
use nightjar_envelope::map::{Content, Kind, Map, MapDraft};
use nightjar_envelope::open::{Meaning, Opened, OpenedMessage, Refused, Says, Unreadable, open};
use nightjar_envelope::seal::channel::{ChannelKey, PassphraseFault};
use nightjar_envelope::seal::pair::PairKey;
use nightjar_envelope::seal::{SealFault, direct, padding};
use nightjar_envelope::sign::OuterForm;
use nightjar_envelope::{Place, form};
use nightjar_pasc::key::{Curve, PrivateKey};
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use zeroize::Zeroizing;

const EXPIRY: u32 = 1_800_000_000;
const DAY: u32 = EXPIRY / 86_400;
const TIME_MS: u64 = 1_799_999_999_000;
const NOBODY: Meaning<'_> = Meaning::Open { passwords: &[] };

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::from_seed([4; 32])
}

fn secret(number: u8) -> ChatSecret {
    ChatSecret::from_seed(&Zeroizing::new([number; 32]))
}

fn at(target: Target) -> Place {
    Place { network: Network::Main, target, expiry: EXPIRY }
}

fn text(text: &str) -> Map {
    MapDraft::text(TIME_MS, text).build().unwrap()
}

fn message(opened: Opened) -> OpenedMessage {
    match opened {
        Opened::Message(message) => message,
        other => panic!("{other:?}"),
    }
}

fn own(secrets: &[ChatSecret]) -> Meaning<'_> {
    Meaning::Own { secrets, accounts: &[], passwords: &[] }
}

/// The keys of two who write to each other.
struct Sealed {
    alice: ChatSecret,
    bob: [ChatSecret; 1],
    channel: ChannelKey,
    hers: PairKey,
    his: PairKey,
}

impl Sealed {
    fn new() -> Self {
        let (alice, bob) = (secret(1), secret(2));
        Self {
            hers: PairKey::between(Network::Main, &alice, &bob.public()).unwrap(),
            his: PairKey::between(Network::Main, &bob, &alice.public()).unwrap(),
            channel: ChannelKey::from_root(Zeroizing::new([9; 32])),
            alice,
            bob: [bob],
        }
    }

    /// A body for each way to wrap this map, where it stands, and how it is opened.
    fn all(&self, map: &Map) -> Vec<(&'static str, Place, Vec<u8>, Meaning<'_>)> {
        let (bob, mut rng) = (self.bob[0].public(), rng());
        let mut wrapped = |name, target, wrap: Wrap<'_>, meaning| {
            let place = at(target);
            (name, place, compose(&place, &wrap, map, &mut rng).unwrap(), meaning)
        };
        let (open_channel, nick) = (target_of_text("#a"), target_of_text("bob"));
        let (hidden, pair) = (self.channel.target(DAY), self.hers.target_to(&bob, DAY));
        let first = |shown| Wrap::First { sender: &self.alice, recipient: &bob, shown };
        let of_channel = |author| Wrap::Channel { key: &self.channel, author };
        let (channel, his) = (Meaning::Channel(&self.channel), Meaning::Pair(&self.his));
        let of_pair = |shown| Wrap::Pair { key: &self.hers, shown };
        vec![
            wrapped("anonymous", open_channel, Wrap::Anonymous, NOBODY),
            wrapped("signed", open_channel, Wrap::Signed(&self.alice), NOBODY),
            wrapped("channel, anonymous", hidden, of_channel(None), channel),
            wrapped("channel, signed", hidden, of_channel(Some(&self.alice)), channel),
            wrapped("first", nick, first(false), own(&self.bob)),
            wrapped("first, shown", nick, first(true), own(&self.bob)),
            wrapped("pair", pair, of_pair(None), his),
            wrapped("pair, shown", pair, of_pair(Some(&self.alice)), his),
        ]
    }
}

#[test]
fn whoever_it_is_for_reads_it_and_learns_who_wrote_it() {
    let sealed = Sealed::new();
    let map = text("good night");
    let alice = Some(sealed.alice.public());
    let by_nobody = ["anonymous", "channel, anonymous"];
    for (name, place, body, meaning) in sealed.all(&map) {
        let opened = message(open(&place, &body, &meaning));
        assert_eq!(opened.says, Says::Map(map.clone()), "{name}");
        assert_eq!(opened.author, alice.filter(|_| !by_nobody.contains(&name)), "{name}");
        assert_eq!(opened.signed, name.contains("signed") || name.contains("shown"), "{name}");
        assert_eq!(opened.form, body[0], "{name}");
        let for_bob = name.starts_with("first") || name.starts_with("pair");
        assert_eq!(opened.recipient, for_bob.then(|| sealed.bob[0].public()), "{name}");
    }
}

#[test]
fn one_message_has_one_id_however_it_is_wrapped_by_its_author() {
    let sealed = Sealed::new();
    let map = text("good night");
    let ids: Vec<_> = sealed
        .all(&map)
        .into_iter()
        .map(|(_, place, body, meaning)| message(open(&place, &body, &meaning)))
        .filter(|message| message.author.is_some())
        .map(|message| message.id)
        .collect();
    assert_eq!(ids, vec![ids[0]; 6]);
}

#[test]
fn nothing_can_be_moved_to_another_target_day_or_network() {
    let sealed = Sealed::new();
    let map = text("good night");
    for (name, place, body, meaning) in sealed.all(&map) {
        if name == "anonymous" {
            continue;
        }
        let moved = [
            Place { target: target_of_text("#b"), ..place },
            Place { expiry: place.expiry + 86_400, ..place },
            Place { expiry: place.expiry + 1, ..place },
            Place { network: Network::Test, ..place },
        ];
        for moved in moved {
            let opened = open(&moved, &body, &meaning);
            assert!(matches!(opened, Opened::Refused(_)), "{name} at {moved:?}: {opened:?}");
        }
    }
}

#[test]
fn a_target_of_another_day_is_refused_even_when_the_seal_is_good() {
    let sealed = Sealed::new();
    let map = text("good night");
    let place = at(sealed.channel.target(DAY + 1));
    let wrap = Wrap::Channel { key: &sealed.channel, author: None };
    let body = compose(&place, &wrap, &map, &mut rng()).unwrap();
    assert_eq!(open(&place, &body, &Meaning::Channel(&sealed.channel)), Opened::Refused(Refused::Outsider));
    let place = at(sealed.hers.target_to(sealed.his.own(), DAY - 1));
    let body = compose(&place, &Wrap::Pair { key: &sealed.hers, shown: None }, &map, &mut rng()).unwrap();
    assert_eq!(open(&place, &body, &Meaning::Pair(&sealed.his)), Opened::Refused(Refused::Outsider));
}

#[test]
fn a_target_is_tried_with_what_it_can_mean_and_with_nothing_else() {
    let sealed = Sealed::new();
    let map = text("good night");
    let (channel, pair) = (Meaning::Channel(&sealed.channel), Meaning::Pair(&sealed.his));
    let meanings = [("open", NOBODY), ("own", own(&sealed.bob)), ("channel", channel), ("pair", pair)];
    for (name, place, body, _) in sealed.all(&map) {
        for (meant, meaning) in meanings {
            let opened = open(&place, &body, &meaning);
            let reads = match meant {
                "open" => body[0] <= form::SIGNED,
                "own" => body[0] <= form::SIGNED || body[0] == form::FIRST,
                "channel" => body[0] == form::CHANNEL,
                _ => body[0] == form::PAIR,
            };
            assert_eq!(matches!(opened, Opened::Message(_)), reads, "{name} as {meant}: {opened:?}");
            if meant == "channel" || meant == "pair" {
                assert!(reads || opened == Opened::Refused(Refused::Outsider), "{name} as {meant}");
            }
        }
    }
}

#[test]
fn another_key_opens_nothing() {
    let sealed = Sealed::new();
    let map = text("good night");
    let (stranger, other) = ([secret(3)], ChannelKey::from_root(Zeroizing::new([8; 32])));
    let foreign = PairKey::between(Network::Main, &secret(3), &sealed.alice.public()).unwrap();
    for (name, place, body, _) in sealed.all(&map) {
        for meaning in [own(&stranger), Meaning::Channel(&other), Meaning::Pair(&foreign)] {
            let reads = body[0] <= form::SIGNED && matches!(meaning, Meaning::Own { .. });
            assert_eq!(matches!(open(&place, &body, &meaning), Opened::Message(_)), reads, "{name}");
        }
    }
}

#[test]
fn a_text_that_was_signed_inside_a_seal_cannot_be_lifted_out_of_it() {
    let sealed = Sealed::new();
    let map = text("good night");
    for outer in [OuterForm::Channel, OuterForm::First, OuterForm::Pair] {
        let place = at(target_of_text("#a"));
        let lifted = form::signed(&sealed.alice, &place, outer, &map);
        assert_eq!(open(&place, &lifted, &NOBODY), Opened::Refused(Refused::Forged), "{outer:?}");
    }
    // Nor one that was signed in clear put into a seal.
    let place = at(sealed.channel.target(DAY));
    let inner = form::signed(&sealed.alice, &place, OuterForm::Clear, &map);
    let body = sealed.channel.seal(&place, inner, &mut rng()).unwrap();
    assert_eq!(open(&place, &body, &Meaning::Channel(&sealed.channel)), Opened::Refused(Refused::Forged));
}

#[test]
fn who_shows_a_signature_under_a_direct_seal_must_be_its_sender() {
    let (alice, bob, mallory) = (secret(1), [secret(2)], secret(3));
    let place = at(target_of_text("bob"));
    let inner = form::signed(&alice, &place, OuterForm::First, &text("I am alice"));
    let body = direct::seal(&mallory, &bob[0].public(), &place, inner, &mut rng()).unwrap();
    assert_eq!(open(&place, &body, &own(&bob)), Opened::Refused(Refused::Forged));
}

#[test]
fn what_stands_behind_a_message_is_zeros_under_a_seal_and_nothing_in_clear() {
    let sealed = Sealed::new();
    let map = text("good night");
    let place = at(sealed.channel.target(DAY));
    let mut inner = form::anonymous(&map);
    inner.extend([0, 0, 1]);
    let body = sealed.channel.seal(&place, inner, &mut rng()).unwrap();
    assert_eq!(open(&place, &body, &Meaning::Channel(&sealed.channel)), Opened::Refused(Refused::Forged));
    let mut body = form::anonymous(&map);
    body.push(0);
    assert!(matches!(open(&place, &body, &NOBODY), Opened::Unreadable(Unreadable::Map(_))));
}

#[test]
fn an_author_is_not_ahead_of_his_own_date() {
    let late = MapDraft::text(u64::from(EXPIRY) * 1000 + 1, "tomorrow").build().unwrap();
    let just = MapDraft::text(u64::from(EXPIRY) * 1000, "now").build().unwrap();
    let place = at(target_of_text("#a"));
    assert_eq!(open(&place, &form::anonymous(&late), &NOBODY), Opened::Unreadable(Unreadable::Time));
    message(open(&place, &form::anonymous(&just), &NOBODY));
}

#[test]
fn texts_of_these_lengths_fit_one_record() {
    let sealed = Sealed::new();
    let bodies = |letters: usize| {
        // Letters that no compression shortens.
        let mut state = 1u32;
        let mut letter = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            char::from((state >> 25) as u8)
        };
        let text: String = (0..letters).map(|_| letter()).collect();
        sealed.all(&MapDraft::text(TIME_MS, &text).build().unwrap())
    };
    let longest = [
        ("anonymous", 222),
        ("signed", 126),
        ("channel, anonymous", 189),
        ("channel, signed", 93),
        ("first", 93),
        ("pair", 173),
    ];
    for (name, letters) in longest {
        let bytes = |letters| bodies(letters).into_iter().find(|(it, ..)| *it == name).unwrap().2.len();
        assert!(bytes(letters) <= BODY_BYTES_MAX, "{name}: {letters} letters");
        assert!(bytes(letters + 1) > BODY_BYTES_MAX, "{name}: {} letters", letters + 1);
    }
    for (curve, letters) in [(Curve::Secp256k1, 176), (Curve::Secp384r1, 160), (Curve::Secp521r1, 144)] {
        let key = PrivateKey::random(curve, &mut rng()).unwrap().public_key();
        let bytes = |letters| compose_text(&TextSeal::Key(&key), &"x".repeat(letters), &mut rng()).unwrap().len();
        assert!(bytes(letters) <= BODY_BYTES_MAX && bytes(letters + 1) > BODY_BYTES_MAX, "{curve:?}");
    }
    let bytes = |letters| compose_text(&TextSeal::Password("x"), &"x".repeat(letters), &mut rng()).unwrap().len();
    assert!(bytes(207) <= BODY_BYTES_MAX && bytes(208) > BODY_BYTES_MAX);
}

#[test]
fn sealed_bodies_do_not_tell_how_long_their_message_is() {
    let sealed = Sealed::new();
    for letters in [0, 1, 30, 100, 300, 2_000] {
        for (name, _, body, _) in sealed.all(&text(&"xyzzy".repeat(letters))) {
            if body[0] >= form::CHANNEL {
                let bytes = body.len();
                assert!([160, 239].contains(&bytes) || (bytes > 239 && bytes.is_multiple_of(210)), "{name}: {bytes}");
            }
        }
    }
    assert!(padding::pad(vec![0; 65_520], 33).is_err());
}

#[test]
fn a_key_with_a_part_of_small_order_is_not_sealed_to() {
    use curve25519_dalek::constants::EIGHT_TORSION;
    use curve25519_dalek::edwards::CompressedEdwardsY;
    let good = CompressedEdwardsY(*secret(1).public().as_bytes()).decompress().unwrap();
    let mixed = ChatKey::from_bytes((good + EIGHT_TORSION[1]).compress().0).unwrap();
    let (alice, place) = (secret(1), at(target_of_text("bob")));
    assert_eq!(direct::seal(&alice, &mixed, &place, vec![1], &mut rng()), Err(SealFault::Torsion));
    assert_eq!(PairKey::between(Network::Main, &alice, &mixed).unwrap_err(), SealFault::Torsion);
}

#[test]
fn both_of_a_pair_compute_the_same_targets_and_nobody_else() {
    let sealed = Sealed::new();
    let (alice, bob) = (sealed.alice.public(), sealed.bob[0].public());
    assert_eq!(sealed.hers.target_to(&bob, DAY), sealed.his.target_to(&bob, DAY));
    assert_ne!(sealed.hers.target_to(&bob, DAY), sealed.hers.target_to(&alice, DAY));
    assert_ne!(sealed.hers.target_to(&bob, DAY), sealed.hers.target_to(&bob, DAY + 1));
    let test = PairKey::between(Network::Test, &sealed.alice, &bob).unwrap();
    assert_ne!(sealed.hers.target_to(&bob, DAY), test.target_to(&bob, DAY));
}

#[test]
fn a_passphrase_makes_one_key_for_one_channel_of_one_network() {
    let key = |network, channel, phrase| ChannelKey::derive(network, channel, phrase).map(|key| key.root().clone());
    let one = key(Network::Main, "#a", "grüße aus der nacht").unwrap();
    // The same text in Unicode's other form.
    assert_eq!(key(Network::Main, "#a", "gru\u{308}ße aus der nacht").unwrap(), one);
    assert_ne!(key(Network::Main, "#b", "grüße aus der nacht").unwrap(), one);
    assert_ne!(key(Network::Test, "#a", "grüße aus der nacht").unwrap(), one);
    assert_ne!(key(Network::Main, "#a", "grüße aus der nacht ").unwrap(), one, "nothing is trimmed");
    assert_eq!(key(Network::Main, "#a", "").unwrap_err(), PassphraseFault::Empty);
}

#[test]
fn pascalcoins_own_seals_hold_text_and_name_no_author() {
    let key = PrivateKey::random(Curve::Secp256k1, &mut rng()).unwrap();
    let place = at(target_of_text("1234-44"));
    let by_key = compose_text(&TextSeal::Key(&key.public_key()), "grüße", &mut rng()).unwrap();
    let by_password = compose_text(&TextSeal::Password("geheim"), "grüße", &mut rng()).unwrap();
    let keys = [key];
    let own = Meaning::Own { secrets: &[], accounts: &keys, passwords: &["other", "geheim"] };
    for body in [&by_key, &by_password] {
        let opened = message(open(&place, body, &own));
        assert_eq!((opened.says, opened.author, opened.signed), (Says::Text("grüße".to_owned()), None, false));
        assert_eq!(opened.form, body[0]);
    }
    let none = Meaning::Own { secrets: &[], accounts: &[], passwords: &[] };
    assert_eq!(open(&place, &by_key, &none), Opened::Unreadable(Unreadable::Account));
    assert_eq!(open(&place, &by_password, &none), Opened::Unreadable(Unreadable::Password));
    // A channel that everybody knows has no account.
    let channel = Meaning::Open { passwords: &["geheim"] };
    assert_eq!(open(&place, &by_key, &channel), Opened::Unreadable(Unreadable::Form(form::PASCAL)));
    message(open(&place, &by_password, &channel));
}

#[test]
fn a_nick_in_a_card_is_bound_to_its_signer() {
    let (alice, place) = (secret(1), at(target_of_text("#a")));
    let card = MapDraft { nick: Some("raven"), ..MapDraft::new(Kind::Card, TIME_MS) }.build().unwrap();
    let opened = message(open(&place, &form::signed(&alice, &place, OuterForm::Clear, &card), &NOBODY));
    let Says::Map(map) = opened.says else { panic!("a map") };
    assert_eq!((opened.author, map.nick()), (Some(alice.public()), Some("raven")));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_bytes_come_nothing_panics_and_no_author_is_made_up(
        bytes in prop::collection::vec(any::<u8>(), 0..300), first in 0u8..9,
    ) {
        let sealed = Sealed::new();
        let mut body = bytes;
        if let Some(byte) = body.first_mut() {
            *byte = first;
        }
        let accounts = [PrivateKey::random(Curve::Secp256k1, &mut rng()).unwrap()];
        let own = Meaning::Own { secrets: &sealed.bob, accounts: &accounts, passwords: &["x"] };
        for meaning in [NOBODY, own, Meaning::Channel(&sealed.channel), Meaning::Pair(&sealed.his)] {
            if let Opened::Message(message) = open(&at(target_of_text("#a")), &body, &meaning) {
                prop_assert_eq!(message.author, None);
            }
        }
    }

    #[test]
    fn one_changed_bit_and_nothing_is_said_by_anybody(
        letters in "[a-z ]{0,80}", which in 1usize..8, at in any::<prop::sample::Index>(), bit in 0u8..8,
    ) {
        let sealed = Sealed::new();
        let content = Some(Content::Text(Cow::Borrowed(letters.as_str())));
        let map = MapDraft { content, ..MapDraft::new(Kind::Text, TIME_MS) };
        let (_, place, mut body, meaning) = sealed.all(&map.build().unwrap()).swap_remove(which);
        let at = at.index(body.len());
        body[at] ^= 1 << bit;
        let said_by_somebody =
            matches!(open(&place, &body, &meaning), Opened::Message(message) if message.author.is_some());
        prop_assert!(!said_by_somebody);
    }
}

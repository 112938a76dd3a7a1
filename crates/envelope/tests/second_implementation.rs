//! The second implementation, in Python, runs beside this one: what either makes by chance the other reads, and what either refuses
//! the other does too. The vectors hold both to the same cases; here nobody chose them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

mod as_json;
mod chance;
mod letter;
mod python;

use nightjar_core::chain::Network;
use nightjar_core::record::{BODY_BYTES_MAX, Record};
use nightjar_envelope::delegation::{Claim, Delegation, LIFE_S_MAX, Scope};
use nightjar_envelope::fragment::{Assembly, CHUNK_BYTES, CUT_BYTES_MAX, Joined, Part, cut};
use nightjar_envelope::key::ChatKey;
use nightjar_envelope::map::{HandOver, Map};
use nightjar_envelope::seal::channel::{ChannelKey, PassphraseFault};
use nightjar_envelope::{CODING, Place, form};
use nightjar_pasc::signature::sign;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use serde_json::{Value as Json, json};

use as_json::{all_bytes, bytes, hex, number, text};
use chance::Chance;
use letter::{Letter, Reader, Verdict, agree_on_content, agreed, at, other};
use python::Python;

/// Another one makes other cases, and each must pass.
const SEED: u64 = 38;
const CASES: u64 = 40;

#[test]
fn what_we_write_the_second_implementation_reads() {
    for form in form::ANONYMOUS..=form::AES {
        cases(&format!("form {form} from here"), CASES, |python, chance| {
            let letter = Letter::written_here(form, chance);
            letter.is_read_by_both(python);
            letter.is_refused_elsewhere(python, chance);
        });
    }
}

#[test]
fn what_the_second_implementation_writes_is_read_here() {
    for form in form::ANONYMOUS..=form::AES {
        cases(&format!("form {form} from there"), CASES, |python, chance| {
            let letter = Letter::written_there(form, python, chance);
            letter.is_read_by_both(python);
            letter.is_refused_elsewhere(python, chance);
        });
    }
}

#[test]
fn a_map_that_is_changed_is_judged_alike() {
    cases("maps", 10 * CASES, |python, chance| {
        let expiry = chance.expiry();
        let mut map = chance.map(expiry);
        for _ in 0..chance.below(4) {
            match chance.below(3) {
                0 => map.truncate(chance.below_len(&map)),
                1 => map.insert(chance.below_len(&map), chance.byte()),
                _ => chance.change(&mut map),
            }
            if map.is_empty() {
                return;
            }
        }
        let answer = python.ask(&json!({ "do": "map", "map": hex(&map), "expiry": expiry }));
        let read = Map::read_all(&map).ok().filter(|map| map.fits(expiry));
        assert_eq!(read.is_some(), answer["ok"] == true, "{answer} to {}", hex(&map));
        if let Some(read) = read {
            agree_on_content(&read, &answer);
        }
    });
}

#[test]
fn a_passphrase_opens_the_same_channel() {
    cases("passphrases", 3, |python, chance| {
        let (place, channel) = (chance.place(), format!("#{}", chance.nick()));
        // As it is typed, in composed form or not.
        let passphrase = format!("{} e\u{301} {}", chance.text(20), chance.text(20));
        let key = ChannelKey::derive(place.network, &channel, &passphrase).unwrap();
        let place = Place { target: key.target(place.day()), ..place };
        let mut make = at(&place, "make");
        make["form"] = json!(form::CHANNEL);
        make["channel"] = json!({ "name": channel, "passphrase": passphrase });
        make["map"] = json!(hex(&chance.map(place.expiry)));
        let target = make.as_object_mut().unwrap().remove("target").unwrap();
        let made = python.ask(&make);
        assert_eq!(made["target"], target);
        assert!(matches!(agreed(python, &place, &bytes(&made, "body"), &Reader::Channel(key)), Verdict::Read(_)));

        make["channel"]["passphrase"] = json!("");
        assert_eq!(python.ask(&make)["ok"], false);
        assert!(matches!(ChannelKey::derive(place.network, &channel, ""), Err(PassphraseFault::Empty)));
    });
}

#[test]
fn what_either_cuts_the_other_joins() {
    cases("parts", CASES, |python, chance| {
        let place = chance.place();
        let bytes_long = match chance.below(8) {
            0 => CHUNK_BYTES + 1,
            1 => CHUNK_BYTES * (1 + chance.below(10) as usize),
            2 => CUT_BYTES_MAX,
            3 => CHUNK_BYTES,
            4 => CUT_BYTES_MAX + 1,
            _ => 1 + chance.below(3_000) as usize,
        };
        let mut body = chance.bytes(bytes_long);
        body[0] = chance.below(10) as u8;
        let mut ask = at(&place, "cut");
        ask["body"] = json!(hex(&body));
        let answer = python.ask(&ask);
        let parts = cut(&place, &body);
        assert_eq!(parts.is_ok(), answer["ok"] == true, "{answer}: {} bytes of form {}", body.len(), body[0]);
        let Ok(mut parts) = parts else { return };
        assert_eq!(all_bytes(&answer, "parts"), parts);

        for part in &parts {
            agree_on_part(python, &place, part);
        }
        chance.shuffle(&mut parts);
        assert_eq!(joined(python, &place, &parts), Some(body.clone()));
        let elsewhere = Place { expiry: place.expiry ^ 1, ..place };
        assert_eq!(joined(python, &elsewhere, &parts), None, "under another date");
        let left_out = parts.swap_remove(chance.below_len(&parts));
        assert_eq!(joined(python, &place, &parts), None, "without one of them");
        let mut forged = left_out.clone();
        chance.change(&mut forged);
        agree_on_part(python, &place, &forged);
        parts.push(forged);
        assert_eq!(joined(python, &place, &parts), None, "with a forged one for one of them");
        parts.push(left_out);
        assert_eq!(joined(python, &place, &parts), Some(body), "with a forged one beside them");
    });
}

#[test]
fn what_an_account_signs_in_either_the_other_takes() {
    cases("delegations", CASES, |python, chance| {
        let (owner, author) = (chance.account(), chance.secret().public());
        let mut claim = chance.claim(&owner, author);
        let there = python.ask(&json!({
            "do": "delegate", "network": claim.network.byte(), "account": claim.account, "scope": claim.scope.byte(),
            "issued": claim.issued, "until": claim.until, "name": claim.name, "curve": owner.curve_name(),
            "scalar": hex(&owner.scalar), "chat_key": author.to_string(),
        }));
        let digest = claim.settle();
        assert_eq!((number(&there, "issued"), text(&there, "digest")), (claim.issued.into(), hex(&digest).as_str()));
        assert_eq!(number(&there, "until"), u64::from(claim.until));
        let signature = sign(&owner.key, &digest, &mut chance.0);
        let here = claim.signed(&signature).unwrap();
        assert_eq!(here.bytes.len(), bytes(&there, "delegation").len());

        let network = claim.network;
        let mut others =
            vec![(chance.secret().public(), owner.spliced(chance.account_on(owner.key.curve()), &here.bytes))];
        for delegation in [here.bytes, bytes(&there, "delegation")] {
            let taken = agreed_delegation(python, network, Some(&author), &delegation).unwrap();
            assert_eq!(taken, claim);
            for teller in [None, Some(&others[0].0)] {
                let by_teller = agreed_delegation(python, network, teller, &delegation);
                assert_eq!(by_teller, Some(claim.clone()).filter(|claim| claim.scope == Scope::NOTHING));
            }
            assert_eq!(agreed_delegation(python, other(network), Some(&author), &delegation), None);
            for _ in 0..4 {
                let mut forged = delegation.clone();
                chance.change(&mut forged);
                others.push((author, forged));
            }
            others.push((author, delegation[..chance.below_len(&delegation)].to_vec()));
        }
        for (author, forged) in &others {
            assert_eq!(agreed_delegation(python, network, Some(author), forged), None, "{}", hex(forged));
        }
        // An end names its chat key, which may be any bytes: of half of them somebody may have the secret.
        let ended = python.ask(&json!({
            "do": "delegate", "network": network.byte(), "account": claim.account, "scope": 0, "issued": claim.issued,
            "until": claim.issued + LIFE_S_MAX, "curve": owner.curve_name(), "scalar": hex(&owner.scalar),
            "chat_key": hex(&chance.array::<32>()),
        }));
        agreed_delegation(python, network, None, &bytes(&ended, "delegation"));
    });
}

#[test]
fn a_key_that_is_handed_over_by_either_is_followed_by_the_other() {
    cases("hand-overs", CASES, |python, chance| {
        let (network, old, new) = (chance.network(), chance.secret().public(), chance.secret());
        let here = HandOver::agreed(network, &old, &new);
        let ask = json!({
            "do": "hand_over", "network": network.byte(), "old": old.to_string(), "new": hex(new.seed().as_slice()),
        });
        let value = [here.new_key.as_slice(), &here.signature].concat();
        assert_eq!(bytes(&python.ask(&ask), "value"), value, "Ed25519 signs one text in one way");
        assert_eq!(agreed_heir(python, network, &old, &value), Some(new.public()));

        assert_eq!(agreed_heir(python, other(network), &old, &value), None);
        assert_eq!(agreed_heir(python, network, &chance.secret().public(), &value), None);
        let itself = HandOver::agreed(network, &new.public(), &new);
        let itself = [itself.new_key.as_slice(), &itself.signature].concat();
        assert_eq!(agreed_heir(python, network, &new.public(), &itself), None);
        for _ in 0..4 {
            let mut forged = value.clone();
            chance.change(&mut forged);
            assert_eq!(agreed_heir(python, network, &old, &forged), None);
        }
    });
}

#[test]
fn a_record_of_ours_is_read_there() {
    cases("records", CASES, |python, chance| {
        let form = form::ANONYMOUS + chance.below(7) as u8;
        let Letter { place, body, reader, read } = Letter::written_here(form, chance);
        let outcome = if reader.is_derived() { Verdict::Outsider } else { Verdict::Refused };
        let is_one = body.len() <= BODY_BYTES_MAX;
        for body in if is_one { vec![body] } else { cut(&place, &body).unwrap() } {
            let (nonce, claimed) = (chance.array(), chance.below(32) as u8);
            let dated =
                |coding| Record::dated_with_claim(place.target, &body, place.expiry, coding, nonce, claimed).unwrap();
            let answer = asked_of_record(python, place.network, dated(CODING).bytes(), &reader);
            if is_one {
                assert_eq!(Verdict::of(&answer), Verdict::Read(read.clone()));
            } else {
                let index = Part::parse(&body).unwrap().index;
                assert_eq!(number(&answer["part"], "index"), u64::from(index));
            }

            let other = dated(*chance.pick(&[0, 2, 7]));
            assert_eq!(
                Verdict::of(&asked_of_record(python, place.network, other.bytes(), &reader)),
                outcome,
                "no envelope"
            );
            let mut changed = dated(CODING).bytes().to_vec();
            chance.change(&mut changed);
            assert!(Record::parse(&changed).map_or(true, |(record, _)| record.stamp().is_none()));
            assert_eq!(Verdict::of(&asked_of_record(python, place.network, &changed, &reader)), outcome, "not dated");
        }
    });
}

fn agree_on_part(python: &Python, place: &Place, part: &[u8]) {
    let mut ask = at(place, "open");
    (ask["body"], ask["meaning"]) = (json!(hex(part)), json!({ "open": {} }));
    let answer = python.ask(&ask);
    // A head that is not that of its set shows when it is joined.
    let here = Part::parse(part).filter(|part| Assembly::default().take(place, part) != Joined::Dropped);
    let here = here.map(|part| (hex(&part.set), part.index.into(), part.count.into()));
    let there = answer.get("part");
    let there = there.map(|part| (text(part, "set").to_owned(), number(part, "index"), number(part, "count")));
    assert_eq!(here, there, "{}", hex(part));
}

/// What both make of these parts. What is no part is for [`agree_on_part`].
fn joined(python: &Python, place: &Place, parts: &[Vec<u8>]) -> Option<Vec<u8>> {
    let mut assembly = Assembly::default();
    let (mut sound, mut here) = (Vec::new(), None);
    for body in parts {
        let Some(part) = Part::parse(body) else { continue };
        match assembly.take(place, &part) {
            Joined::Whole(whole) => here = Some(whole),
            Joined::Dropped if part.index == 0 => continue,
            Joined::Dropped | Joined::Waiting(_) => {}
        }
        sound.push(hex(body));
    }
    let mut ask = at(place, "join");
    ask["parts"] = json!(sound);
    let answer = python.ask(&ask);
    assert_eq!(here.as_deref().map(hex).as_deref(), answer["body"].as_str());
    here
}

/// The claim that both take from a delegation, if they do.
fn agreed_delegation(python: &Python, network: Network, author: Option<&ChatKey>, delegation: &[u8]) -> Option<Claim> {
    let here = Delegation::parse(delegation).and_then(|delegation| delegation.check(network, author, u32::MAX));
    let there = python.ask(&json!({
        "do": "delegation", "network": network.byte(), "author": author.map(ChatKey::to_string),
        "delegation": hex(delegation),
    }));
    assert_eq!(here.is_ok(), there["ok"] == true, "{here:?}, {there}: {}", hex(delegation));
    let checked = here.ok()?;
    let claim = checked.claim;
    let here = json!({
        "ok": true, "account": claim.account, "scope": claim.scope.byte(), "issued": claim.issued, "until": claim.until,
        "name": claim.name, "curve": claim.key.curve().to_string(), "raw_key": hex(&claim.key.minimal().to_raw()),
        "chat_key": claim.chat_key.to_string(), "digest": hex(&checked.digest),
    });
    assert_eq!(here, there);
    Some(claim)
}

/// The key that both see as the next.
fn agreed_heir(python: &Python, network: Network, old: &ChatKey, value: &[u8]) -> Option<ChatKey> {
    let (new_key, signature) = value.split_at(32);
    let hand_over = HandOver { new_key: new_key.try_into().unwrap(), signature: signature.try_into().unwrap() };
    let heir = hand_over.heir(network, old);
    let answer = python.ask(&json!({
        "do": "hand_over_holds", "network": network.byte(), "old": old.to_string(), "value": hex(value),
    }));
    assert_eq!(answer["holds"], heir.is_some(), "{}", hex(value));
    heir
}

fn asked_of_record(python: &Python, network: Network, record: &[u8], reader: &Reader) -> Json {
    python.ask(&json!({
        "do": "open", "network": network.byte(), "record": hex(record), "meaning": reader.in_json(),
    }))
}

/// Runs so many cases, each with chance of its own. One that fails says which it was.
fn cases(what: &str, cases: u64, case: impl Fn(&Python, &mut Chance)) {
    struct Told<'w>(&'w str, u64);
    impl Drop for Told<'_> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("this was case {} of {} with the seed {SEED}", self.1, self.0);
            }
        }
    }
    let Some(python) = Python::running() else { return };
    for number in 0..cases {
        let _told = Told(what, number);
        case(python, &mut Chance(ChaCha20Rng::seed_from_u64(SEED << 32 | number)));
    }
}

//! Chat identities in a data directory: kept over restarts, locked, exported, ended; their times rise.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

use std::fs;
use std::path::{Path, PathBuf};

use nightjar_core::time::Wall;
use nightjar_envelope::key::ChatSecret;
use nightjar_node::identity::armour::ArmourFault;
use nightjar_node::identity::file::{FileFault, IDENTITIES_MAX, PROOF_BYTES_MAX, PROOFS_MAX};
use nightjar_node::identity::{
    ChangeError, Identities, ImportError, LoadError, LockError, Locked, PassphraseError, Proof, SecretError, TimeError,
    UnlockError, WhichError, WriteError,
};
use tempfile::TempDir;

const NOW: Wall = Wall(1_800_000_000_000);

fn file(dir: &TempDir) -> PathBuf {
    dir.path().join("identities")
}

fn load(dir: &TempDir) -> Identities {
    Identities::load(&file(dir)).unwrap()
}

fn seed(secret: &ChatSecret) -> [u8; 32] {
    *secret.seed()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn an_identity_outlives_a_restart() {
    let dir = TempDir::new().unwrap();
    let before = load(&dir);
    assert!(!file(&dir).exists(), "looking makes no file");
    let raven = before.new_identity(Some("@Raven"), NOW).unwrap();
    let other = before.new_identity(None, NOW).unwrap();
    assert_eq!(raven.nick.as_deref(), Some("raven"));
    assert!(raven.default && !other.default, "the first one is the default");
    let after = load(&dir);
    assert_eq!(after.list(), [raven.clone(), other]);
    assert_eq!(after.secret("raven").unwrap().public(), raven.key);
    assert_eq!(seed(&after.secret("raven").unwrap()), seed(&before.secret("default").unwrap()));
}

#[cfg(unix)]
#[test]
fn nobody_else_can_read_the_file() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = TempDir::new().unwrap();
    load(&dir).new_identity(None, NOW).unwrap();
    let mode = || fs::metadata(file(&dir)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(), 0o600);
    fs::set_permissions(file(&dir), fs::Permissions::from_mode(0o644)).unwrap();
    load(&dir);
    assert_eq!(mode(), 0o600);
}

#[test]
fn a_damaged_file_is_refused_and_left_as_it_is() {
    let dir = TempDir::new().unwrap();
    load(&dir).new_identity(Some("raven"), NOW).unwrap();
    let mut bytes = fs::read(file(&dir)).unwrap();
    bytes[60] ^= 1;
    for damaged in [bytes, Vec::new(), b"{}".to_vec(), vec![0; 1 << 20]] {
        fs::write(file(&dir), &damaged).unwrap();
        let error = Identities::load(&file(&dir)).unwrap_err();
        assert!(matches!(error, LoadError::Fault { fault: FileFault::Damaged, .. } | LoadError::Unreadable { .. }));
        assert!(error.to_string().contains("identities"), "{error}");
        assert_eq!(fs::read(file(&dir)).unwrap(), damaged);
    }
}

#[test]
fn one_is_found_by_nick_by_key_and_by_default() {
    let dir = TempDir::new().unwrap();
    let identities = load(&dir);
    assert_eq!(identities.find("default").unwrap_err(), WhichError::None);
    let raven = identities.new_identity(Some("raven"), NOW).unwrap();
    let jay = identities.new_identity(Some("jay"), NOW).unwrap();
    let found = |which: &str| identities.find(which).unwrap().key;
    assert_eq!(found("default"), raven.key);
    for which in ["jay", "@jay", "JAY", &jay.key.to_string(), &jay.key.to_string().to_uppercase()] {
        assert_eq!(found(which), jay.key, "{which}");
    }
    assert_eq!(found(&jay.key.to_string()[..20]), jay.key);
    for which in ["", "ra", "crow", "#jay", &jay.key.to_string()[..3], "zzzz"] {
        assert_eq!(identities.find(which).unwrap_err(), WhichError::Unknown(which.to_owned()));
    }

    identities.revoke(&jay.key.to_string(), NOW).unwrap();
    assert_eq!(found("jay"), jay.key, "also one that ended");
    let namesake = identities.new_identity(Some("jay"), NOW).unwrap();
    assert_eq!(found("jay"), namesake.key, "one that ended gives way");
    identities.revoke(&namesake.key.to_string(), NOW).unwrap();
    assert_eq!(identities.find("jay").unwrap_err(), WhichError::Several { typed: "jay".into(), have: 2 });
    assert_eq!(found(&jay.key.to_string()), jay.key);
}

#[test]
fn two_that_speak_never_have_one_nick_and_none_is_called_like_a_word_of_the_program() {
    let dir = TempDir::new().unwrap();
    let identities = load(&dir);
    let raven = identities.new_identity(Some("raven"), NOW).unwrap();
    let crow = identities.new_identity(Some("crow"), NOW).unwrap();
    let taken =
        |which: ChangeError| matches!(which, ChangeError::Taken { nick, key } if nick == "raven" && key == raven.key);
    assert!(taken(identities.new_identity(Some("@Raven"), NOW).unwrap_err()));
    assert!(taken(identities.set_nick("crow", Some("raven")).unwrap_err()));
    assert_eq!(identities.set_nick("raven", Some("raven")).unwrap().key, raven.key, "its own");
    for word in ["default", "none", "None"] {
        assert!(matches!(identities.new_identity(Some(word), NOW), Err(ChangeError::Reserved(_))), "{word}");
        assert!(matches!(identities.set_nick("crow", Some(word)), Err(ChangeError::Reserved(_))), "{word}");
    }
    identities.revoke("raven", NOW).unwrap();
    assert_eq!(identities.set_nick("crow", Some("raven")).unwrap().key, crow.key, "one that ended gives way");
    assert_eq!(identities.list().len(), 2);
}

#[test]
fn a_nick_is_changed_and_must_be_one() {
    let dir = TempDir::new().unwrap();
    let identities = load(&dir);
    identities.new_identity(Some("raven"), NOW).unwrap();
    assert!(matches!(identities.new_identity(Some("#raven"), NOW).unwrap_err(), ChangeError::Nick(_)));
    assert!(matches!(identities.new_identity(Some("4raven"), NOW).unwrap_err(), ChangeError::Nick(_)));
    assert!(matches!(identities.set_nick("raven", Some("1234-44")).unwrap_err(), ChangeError::Nick(_)));
    assert_eq!(identities.set_nick("raven", Some("Crow")).unwrap().nick.as_deref(), Some("crow"));
    assert_eq!(identities.set_nick("crow", None).unwrap().nick, None);
    assert_eq!(load(&dir).list(), identities.list());
}

#[test]
fn with_a_passphrase_the_node_starts_locked_and_knows_who_it_is() {
    let dir = TempDir::new().unwrap();
    let identities = load(&dir);
    let raven = identities.new_identity(Some("raven"), NOW).unwrap();
    let secret = seed(&identities.secret("raven").unwrap());
    assert_eq!(identities.lock().unwrap_err(), LockError::NoPassphrase);
    assert!(fs::read(file(&dir)).unwrap().windows(32).any(|window| window == secret));
    identities.set_passphrase(None, Some("open sesame")).unwrap();
    assert!(!fs::read(file(&dir)).unwrap().windows(32).any(|window| window == secret));
    assert!(!identities.locked(), "who sets one knows it");

    let after = load(&dir);
    assert!(after.locked() && after.has_passphrase());
    assert_eq!(after.list(), std::slice::from_ref(&raven));
    assert_eq!(after.find("default").unwrap(), raven);
    let bytes = fs::read(file(&dir)).unwrap();
    assert_eq!(after.secret("raven").unwrap_err(), SecretError::Locked(Locked));
    assert_eq!(after.opening_secrets().unwrap_err(), Locked);
    let locked = |error: ChangeError| assert!(matches!(error, ChangeError::Write(WriteError::Locked(_))), "{error}");
    locked(after.new_identity(None, NOW).unwrap_err());
    locked(after.set_nick("raven", None).unwrap_err());
    assert!(matches!(after.next_time_ms("raven", NOW).unwrap_err(), TimeError::Write(WriteError::Locked(_))));
    assert!(after.export("raven", None).is_err());

    assert_eq!(after.unlock("open sesame ").unwrap_err(), UnlockError::Wrong);
    assert!(after.unlock("").is_err());
    assert!(after.locked());
    assert_eq!(fs::read(file(&dir)).unwrap(), bytes, "nothing was written while it was locked");
    after.unlock("open sesame").unwrap();
    assert_eq!(seed(&after.secret("raven").unwrap()), secret);
    after.new_identity(Some("jay"), NOW).unwrap();
    after.lock().unwrap();
    assert_eq!(after.secret("raven").unwrap_err(), SecretError::Locked(Locked));
    assert_eq!(after.list().len(), 2);
    let third = load(&dir);
    third.unlock("open sesame").unwrap();
    assert_eq!(third.opening_secrets().unwrap().len(), 2);
}

#[test]
fn a_passphrase_is_changed_only_by_who_knows_it() {
    let dir = TempDir::new().unwrap();
    let identities = load(&dir);
    identities.new_identity(Some("raven"), NOW).unwrap();
    assert!(matches!(identities.set_passphrase(None, Some("")).unwrap_err(), PassphraseError::New(_)));
    identities.set_passphrase(None, Some("first")).unwrap();
    assert!(matches!(identities.set_passphrase(None, None).unwrap_err(), PassphraseError::OldWanted));
    let wrong = identities.set_passphrase(Some("wrong"), Some("second")).unwrap_err();
    assert!(matches!(wrong, PassphraseError::Old(UnlockError::Wrong)), "{wrong}");
    identities.set_passphrase(Some("first"), Some("second")).unwrap();
    let after = load(&dir);
    assert_eq!(after.unlock("first").unwrap_err(), UnlockError::Wrong);
    after.unlock("second").unwrap();
    assert_eq!(after.unlock("first").unwrap_err(), UnlockError::Wrong, "also when they are open");
    after.set_passphrase(Some("second"), None).unwrap();
    assert_eq!(after.unlock("second").unwrap_err(), UnlockError::NoPassphrase);
    assert!(!after.locked() && !after.has_passphrase());
    assert!(!load(&dir).locked());
}

#[test]
fn an_exported_identity_is_imported_elsewhere() {
    let (here, there) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let (from, to) = (load(&here), load(&there));
    from.new_identity(Some("raven"), NOW).unwrap();
    let used = from.next_time_ms("raven", NOW).unwrap();
    from.add_proof("raven", Proof { account: 1234, until: 9, bytes: vec![5; 113] }, NOW).unwrap();
    let secret = seed(&from.secret("raven").unwrap());

    let open = from.export("raven", None).unwrap();
    let says_secret = |text: &str| text.replace('\n', "").contains(&hex(&secret));
    assert!(open.contains("Nick: raven") && open.contains("NONE") && says_secret(&open));
    let closed = from.export("raven", Some("open sesame")).unwrap();
    assert!(closed.contains("Nick: raven") && !closed.contains("NONE") && !says_secret(&closed));
    // As it comes out of a letter: blanks, returns and what stands around it do no harm.
    let letter = format!("Hello\n\n{}\nBye\n", closed.replace('\n', "  \r\n"));

    assert!(matches!(to.import(letter.as_bytes(), None).unwrap_err(), ImportError::PassphraseWanted));
    let wrong = to.import(letter.as_bytes(), Some("open")).unwrap_err();
    assert!(matches!(wrong, ImportError::Unlock(UnlockError::Wrong)), "{wrong}");
    assert!(to.list().is_empty());
    let raven = to.import(letter.as_bytes(), Some("open sesame")).unwrap();
    assert_eq!(raven, from.find("raven").unwrap());
    assert_eq!(seed(&load(&there).secret("default").unwrap()), secret);
    assert!(to.next_time_ms("raven", NOW).unwrap() > used, "its times go on from where they were");
    let again = to.import(open.as_bytes(), None).unwrap_err();
    assert!(matches!(again, ImportError::Change(ChangeError::AlreadyHere(_))), "{again}");
    assert!(matches!(to.import(b"hello", None).unwrap_err(), ImportError::Armour(ArmourFault::NoFrame)));

    // A second one does not take the place of the first, even if it was the default where it came from.
    from.new_identity(Some("jay"), NOW).unwrap();
    from.make_default("jay").unwrap();
    to.import(from.export("jay", None).unwrap().as_bytes(), None).unwrap();
    assert_eq!(to.find("default").unwrap().key, raven.key);
}

#[test]
fn one_that_was_revoked_speaks_no_more_and_keeps_its_secret() {
    let dir = TempDir::new().unwrap();
    let identities = load(&dir);
    let raven = identities.new_identity(Some("raven"), NOW).unwrap();
    identities.revoke("raven", NOW).unwrap();
    identities.revoke("raven", Wall(NOW.0 + 5)).unwrap();
    let after = load(&dir);
    assert_eq!(after.find("raven").unwrap().revoked, Some(NOW), "since the first time");
    assert_eq!(after.secret("raven").unwrap_err(), SecretError::Ended(raven.key));
    assert_eq!(after.secret_even_if_ended("raven").unwrap().public(), raven.key);
    assert_eq!(after.opening_secrets().unwrap().len(), 1);
    assert_eq!(after.find("default").unwrap_err(), WhichError::NoDefault);
    assert!(matches!(after.make_default("raven").unwrap_err(), ChangeError::Ended(_)));
    assert!(after.next_time_ms("raven", NOW).is_ok(), "the revocation is signed again and again");
    let jay = after.new_identity(Some("jay"), NOW).unwrap();
    assert!(jay.default, "there was none");
}

#[test]
fn a_hand_over_names_the_heir_and_makes_it_the_default() {
    let dir = TempDir::new().unwrap();
    let identities = load(&dir);
    let raven = identities.new_identity(Some("raven"), NOW).unwrap();
    let crow = identities.new_identity(Some("crow"), NOW).unwrap();
    assert!(matches!(identities.hand_over("raven", "raven", NOW).unwrap_err(), ChangeError::Itself(_)));
    let replaced = identities.hand_over("raven", "crow", NOW).unwrap();
    assert_eq!(replaced.replaced, Some((NOW, crow.key)));
    let after = load(&dir);
    assert_eq!(after.find("default").unwrap().key, crow.key);
    assert_eq!(after.secret("raven").unwrap_err(), SecretError::Ended(raven.key));
    let jay = identities.new_identity(Some("jay"), NOW).unwrap();
    assert!(matches!(identities.hand_over("raven", "jay", NOW).unwrap_err(), ChangeError::Ended(_)));
    assert!(matches!(identities.hand_over("jay", "raven", NOW).unwrap_err(), ChangeError::Ended(_)));
    assert_eq!(identities.find("jay").unwrap(), jay, "nothing changed");
    assert_eq!(identities.revoke("raven", NOW).unwrap().replaced, Some((NOW, crow.key)), "and it may still be revoked");
}

#[test]
fn times_rise_strictly_whatever_the_clock_does() {
    let dir = TempDir::new().unwrap();
    let mut last = 0;
    // Forward, still, back, and a restart before each: as after a kill, nothing is written at the end.
    for now in [NOW.0, NOW.0, NOW.0 + 100_000, NOW.0 - 1000, NOW.0 - 1000, NOW.0 + 100_001] {
        let identities = load(&dir);
        if identities.list().is_empty() {
            identities.new_identity(Some("raven"), NOW).unwrap();
        }
        for _ in 0..100 {
            let time = identities.next_time_ms("raven", Wall(now)).unwrap();
            assert!(time > last && time >= now, "{time} after {last}");
            last = time;
        }
    }
    let fresh = load(&dir);
    fresh.new_identity(Some("jay"), NOW).unwrap();
    assert_eq!(fresh.next_time_ms("jay", NOW).unwrap(), NOW.0, "another one has its own times");
}

#[test]
fn a_time_seldom_waits_for_the_disk_and_stays_near_the_clock() {
    let dir = TempDir::new().unwrap();
    let identities = load(&dir);
    identities.new_identity(Some("raven"), NOW).unwrap();
    let mut written = Vec::new();
    for _ in 0..12_000 {
        identities.next_time_ms("raven", NOW).unwrap();
        let used = identities.find("raven").unwrap().used_up_to_ms;
        if written.last() != Some(&used) {
            written.push(used);
        }
    }
    assert_eq!(written.len(), 3, "5,001 times are written at once");
    let killed = load(&dir);
    let next = killed.next_time_ms("raven", Wall(NOW.0 + 12_000)).unwrap();
    let shortest_life_ms = u64::from(nightjar_core::record::LIFETIME_S_MIN) * 1000;
    assert!(next < NOW.0 + 12_000 + shortest_life_ms, "the shortest record can still carry it");
}

#[test]
fn a_clock_far_behind_is_told_instead_of_a_time_that_fits_no_record() {
    let dir = TempDir::new().unwrap();
    let identities = load(&dir);
    identities.new_identity(Some("raven"), NOW).unwrap();
    let time = identities.next_time_ms("raven", NOW).unwrap();
    assert!(identities.next_time_ms("raven", Wall(time + 1 - 3_600_000)).is_ok());
    let error = identities.next_time_ms("raven", Wall(time - 3_600_000)).unwrap_err();
    assert!(matches!(error, TimeError::ClockBehind { ahead_s: 3600, .. }), "{error}");
}

#[test]
fn times_asked_for_at_once_are_all_different() {
    let dir = TempDir::new().unwrap();
    let identities = load(&dir);
    identities.new_identity(Some("raven"), NOW).unwrap();
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let identities = identities.clone();
            std::thread::spawn(move || {
                let time = |_| identities.next_time_ms("default", NOW).unwrap();
                (0..3000).map(time).collect::<Vec<_>>()
            })
        })
        .collect();
    let mut times: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    times.sort_unstable();
    times.dedup();
    assert_eq!(times.len(), 12_000);
}

#[test]
fn proofs_are_kept_one_for_each_account() {
    let dir = TempDir::new().unwrap();
    let identities = load(&dir);
    identities.new_identity(Some("raven"), NOW).unwrap();
    let now_s = NOW.unix_s();
    let proof = |account, until, byte| Proof { account, until, bytes: vec![byte; 161] };
    identities.add_proof("raven", proof(1, now_s, 1), NOW).unwrap();
    identities.add_proof("raven", proof(1, now_s + 9, 2), NOW).unwrap();
    assert_eq!(load(&dir).find("raven").unwrap().proofs, [proof(1, now_s + 9, 2)]);
    identities.add_proof("raven", proof(2, now_s, 3), NOW).unwrap();
    for account in 3..=PROOFS_MAX as u32 {
        identities.add_proof("raven", proof(account, now_s + 9, 4), NOW).unwrap();
    }
    // The second is over and makes room; then none is.
    let accounts = |raven: nightjar_node::identity::Identity| raven.proofs.iter().map(|proof| proof.account).collect();
    let kept: Vec<u32> = accounts(identities.add_proof("raven", proof(100, now_s + 9, 5), NOW).unwrap());
    assert_eq!(kept, [1, 3, 4, 5, 6, 7, 8, 100]);
    assert!(matches!(
        identities.add_proof("raven", proof(101, now_s + 9, 5), NOW).unwrap_err(),
        ChangeError::TooManyProofs
    ));
    let long = Proof { account: 1, until: 1, bytes: vec![0; PROOF_BYTES_MAX + 1] };
    assert!(matches!(identities.add_proof("raven", long, NOW).unwrap_err(), ChangeError::ProofTooLong(513)));
    assert_eq!(identities.remove_proof("raven", 100).unwrap().proofs.len(), PROOFS_MAX - 1);
}

#[test]
fn there_is_a_most_of_identities() {
    let dir = TempDir::new().unwrap();
    let identities = load(&dir);
    for _ in 0..IDENTITIES_MAX {
        identities.new_identity(None, NOW).unwrap();
    }
    assert!(matches!(identities.new_identity(None, NOW).unwrap_err(), ChangeError::TooMany));
    assert_eq!(load(&dir).list().len(), IDENTITIES_MAX);
}

#[test]
fn what_cannot_be_written_has_not_happened() {
    let dir = TempDir::new().unwrap();
    let identities = load(&dir);
    identities.new_identity(Some("raven"), NOW).unwrap();
    // Where the new file would stand is a folder: an unwritable place also for root.
    let in_the_way = dir.path().join("identities.new");
    fs::create_dir(&in_the_way).unwrap();
    let error = identities.new_identity(Some("jay"), NOW).unwrap_err();
    assert!(matches!(error, ChangeError::Write(WriteError::Unwritable { .. })), "{error}");
    assert!(identities.revoke("raven", NOW).is_err());
    assert!(identities.set_passphrase(None, Some("x")).is_err());
    assert!(identities.next_time_ms("raven", NOW).is_err(), "it could be given out again after a restart");
    assert_eq!(identities.list(), load(&dir).list());
    assert!(!identities.has_passphrase() && identities.secret("raven").is_ok());
    fs::remove_dir(&in_the_way).unwrap();
    assert_eq!(identities.next_time_ms("raven", NOW).unwrap(), NOW.0);
}

#[test]
fn no_secret_is_printed() {
    let dir = TempDir::new().unwrap();
    let identities = load(&dir);
    identities.new_identity(Some("raven"), NOW).unwrap();
    let secret = identities.secret("raven").unwrap();
    let shown = format!("{identities:?} {:?} {secret:?}", identities.list());
    assert!(!shown.contains(&hex(&seed(&secret))));
    assert!(!shown.contains(&format!("{:?}", seed(&secret)).replace(['[', ']'], "")), "{shown}");
}

#[tokio::test]
async fn what_blocks_is_run_off_the_tasks() {
    let dir = TempDir::new().unwrap();
    let identities = load(&dir);
    let here = std::thread::current().id();
    let there = identities
        .off_the_tasks(|identities| {
            identities.new_identity(Some("raven"), NOW).unwrap();
            std::thread::current().id()
        })
        .await;
    assert_ne!(here, there);
    assert_eq!(identities.list().len(), 1);
}

#[test]
fn the_data_directory_says_where_it_is() {
    let dir = TempDir::new().unwrap();
    let data_dir = nightjar_node::data_dir::DataDir::open(&dir.path().join("data")).unwrap();
    assert_eq!(data_dir.identities(), Path::new(data_dir.path()).join("identities"));
}

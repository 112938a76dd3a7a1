//! The chain as peers tell it: pure, over the answers of those who were asked. It never votes: as long as one of them says
//! otherwise, nothing is certain.

use std::collections::BTreeSet;

use nightjar_core::address::NetworkGroup;
use nightjar_core::chain::{AccountState, AccountStatus};
use nightjar_core::router::AddressSource;
use nightjar_pasc::key::PublicKey;

use crate::handle::AccountAnswer;

/// Equal answers that are enough, each from another part of the Internet.
pub const AGREEING_MIN: usize = 3;
/// Ways of learning an address that the peers who agree must have between them: one who lies to us about addresses is
/// otherwise all that we hear.
pub const SOURCES_MIN: usize = 2;
/// Peers whose last blocks lie further than this from the middle one are not at our time.
pub const BLOCKS_APART_MAX: u32 = 2;
/// Accounts that are born with each block.
const ACCOUNTS_PER_BLOCK: u64 = 5;

/// What peers agree on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// The account's key, name and state; `None` when they agree that there is no such account.
    pub account: Option<AgreedAccount>,
    /// The middle one of their last blocks.
    pub block: u32,
    /// Who says so.
    pub peers: Vec<String>,
}

/// The account that peers agree on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgreedAccount {
    /// Its owner's key.
    pub key: PublicKey,
    /// Its name; may be empty.
    pub name: String,
    /// Whether and how it is offered.
    pub status: AccountStatus,
}

/// Why peers tell nothing that one can go by.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAgreement {
    /// Two that could know say different things.
    #[error("{one} and {other} do not agree on the account's {what}")]
    Dissent {
        /// One of them.
        one: String,
        /// The other.
        other: String,
        /// On what.
        what: &'static str,
    },
    /// Nobody answered.
    #[error("no PascalCoin peer answers: `addnode` with pascal://host:port adds one")]
    Nobody,
    /// They are too few.
    #[error(
        "{groups} parts of the Internet answer, and {AGREEING_MIN} are needed: `addnode` with pascal://host:port adds a peer of another one"
    )]
    Few {
        /// How many answered.
        groups: usize,
    },
    /// All of them came to us the same way.
    #[error(
        "all peers that answer were learnt in one way, and {SOURCES_MIN} are needed, such as one that you name and one that came by itself"
    )]
    OneSource,
    /// A change waits for its block.
    #[error("a change of the account waits for its block")]
    Pending,
    /// Not all are at the same time.
    #[error("the peers' last blocks lie too far apart to compare what they say")]
    Apart,
    /// They agree on a key or name that cannot be.
    #[error("the peers agree on something that is no account of PascalCoin")]
    Broken,
}

/// One peer's word, with what it is worth.
struct Word<'a> {
    said: &'a AccountAnswer,
    block: u32,
    state: Option<State<'a>>,
    /// A change of it waits in the peer's pool.
    pending: bool,
}

/// What is compared.
struct State<'a> {
    key: Option<PublicKey>,
    state: &'a AccountState,
}

/// What the peers who were asked for an account agree on.
pub fn agreement(number: u32, answers: &[AccountAnswer]) -> Result<Agreement, NoAgreement> {
    let mut words: Vec<Word<'_>> = answers.iter().filter_map(|said| word(number, said)).collect();
    if words.iter().any(|word| word.state.is_some()) {
        // It is not born yet at the last block of those who do not have it.
        for word in words.iter_mut().filter(|word| word.state.is_none()) {
            word.pending = u64::from(number) >= (u64::from(word.block) + 1) * ACCOUNTS_PER_BLOCK;
        }
    }
    let mut blocks: Vec<u32> = words.iter().map(|word| word.block).collect();
    blocks.sort_unstable();
    let median = *blocks.get(blocks.len() / 2).ok_or(NoAgreement::Nobody)?;
    let timely = |word: &Word<'_>| word.block.abs_diff(median) <= BLOCKS_APART_MAX;

    let mut settled = words.iter().filter(|word| timely(word) && !word.pending);
    let first = settled.clone().next();
    if let Some(first) = first
        && let Some((other, what)) = settled.find_map(|word| Some((word, difference(first, word)?)))
    {
        return Err(NoAgreement::Dissent { one: first.said.peer.clone(), other: other.said.peer.clone(), what });
    }
    // Who looks ahead of a block, or from another time, may see something else without a lie; but then nothing is certain.
    let differs = |word: &&Word<'_>| first.is_none_or(|first| difference(first, word).is_some());
    if words.iter().filter(|word| timely(word) && word.pending).any(|word| differs(&word)) {
        return Err(NoAgreement::Pending);
    }
    if words.iter().filter(|word| !timely(word)).any(|word| differs(&word)) {
        return Err(NoAgreement::Apart);
    }
    let first = first.ok_or(NoAgreement::Nobody)?;
    let agreeing: Vec<&Word<'_>> = words.iter().filter(|word| timely(word) && !word.pending).collect();
    let groups: BTreeSet<NetworkGroup> = agreeing.iter().map(|word| group(word.said)).collect();
    if groups.len() < AGREEING_MIN {
        return Err(NoAgreement::Few { groups: groups.len() });
    }
    let sources: BTreeSet<Option<AddressSource>> = agreeing.iter().map(|word| word.said.source).collect();
    if sources.len() < SOURCES_MIN {
        return Err(NoAgreement::OneSource);
    }
    let account = match &first.state {
        None => None,
        Some(State { key, state }) => Some(AgreedAccount {
            key: key.clone().ok_or(NoAgreement::Broken)?,
            name: name(&state.name).ok_or(NoAgreement::Broken)?,
            status: state.status.clone(),
        }),
    };
    let peers = agreeing.iter().map(|word| word.said.peer.clone()).collect();
    Ok(Agreement { account, block: median, peers })
}

/// `None` if the peer says nothing about the account: no answer, or no chain.
fn word(number: u32, said: &AccountAnswer) -> Option<Word<'_>> {
    let answer = said.answer.as_ref().ok()?;
    let block = answer.block?;
    let state = answer.accounts.iter().find(|account| account.number == number);
    let pending = state.is_some_and(|state| state.updated_passive.max(state.updated_active.unwrap_or(0)) > block);
    let parsed = |raw: &[u8]| PublicKey::parse_raw(raw).ok().filter(|(_, used)| *used == raw.len()).map(|(key, _)| key);
    Some(Word { said, block, state: state.map(|state| State { key: parsed(&state.key), state }), pending })
}

fn difference(one: &Word<'_>, other: &Word<'_>) -> Option<&'static str> {
    let (one, other) = match (&one.state, &other.state) {
        (None, None) => return None,
        (Some(one), Some(other)) => (one, other),
        (None, Some(_)) | (Some(_), None) => return Some("existence"),
    };
    let same_key = match (&one.key, &other.key) {
        (Some(one), Some(other)) => one.same_point(other),
        (None, None) => one.state.key == other.state.key,
        (None, Some(_)) | (Some(_), None) => false,
    };
    if !same_key {
        Some("key")
    } else if one.state.status != other.state.status {
        Some("state")
    } else if one.state.name != other.state.name {
        Some("name")
    } else {
        None
    }
}

/// Who owns many names need not own many addresses: all of them are one part.
fn group(said: &AccountAnswer) -> NetworkGroup {
    match &said.group {
        NetworkGroup::Name(_) => NetworkGroup::Name(String::new()),
        group => group.clone(),
    }
}

fn name(bytes: &[u8]) -> Option<String> {
    let fits = bytes.len() <= super::daemon::NAME_BYTES_MAX && bytes.iter().all(u8::is_ascii_graphic);
    if fits { String::from_utf8(bytes.to_vec()).ok() } else { None }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

    use nightjar_core::chain::{AccountsAnswer, Listing, ListingKind};
    use nightjar_core::item::NoAnswer;
    use proptest::prelude::*;

    use super::*;

    const NUMBER: u32 = 40;

    fn key(x: u8) -> Vec<u8> {
        vec![0xca, 0x02, 1, 0, x, 1, 0, 7]
    }

    fn state() -> AccountState {
        AccountState {
            number: NUMBER,
            status: AccountStatus::Normal,
            key: key(1),
            balance: 0,
            updated_passive: 8,
            updated_active: Some(532),
            n_operation: 1,
            name: b"nightraven".to_vec(),
            account_type: 0,
            data: Vec::new(),
            seal: Vec::new(),
        }
    }

    fn said(group: u8, source: Option<AddressSource>, block: u32, accounts: Vec<AccountState>) -> AccountAnswer {
        AccountAnswer {
            peer: format!("pascal://10.{group}.0.1:4004"),
            agent: "daemon".to_owned(),
            group: NetworkGroup::V4([10, group]),
            source,
            answer: Ok(AccountsAnswer { block: Some(block), accounts }),
        }
    }

    fn three() -> Vec<AccountAnswer> {
        let (user, came) = (Some(AddressSource::User), None);
        vec![said(1, user, 534, vec![state()]), said(2, user, 535, vec![state()]), said(3, came, 536, vec![state()])]
    }

    fn with(change: impl FnOnce(&mut AccountState)) -> Vec<AccountState> {
        let mut state = state();
        change(&mut state);
        vec![state]
    }

    #[test]
    fn three_that_agree_are_believed() {
        let agreement = agreement(NUMBER, &three()).unwrap();
        assert_eq!((agreement.block, agreement.peers.len()), (535, 3));
        let account = agreement.account.unwrap();
        assert_eq!((account.name.as_str(), account.key.to_raw()), ("nightraven", key(1)));
    }

    #[test]
    fn balance_and_operations_may_differ_and_keys_are_compared_as_points() {
        let mut answers = three();
        let other = with(|state| {
            state.balance = 7;
            state.n_operation = 9;
            state.key = vec![0xca, 0x02, 2, 0, 0, 1, 1, 0, 7];
        });
        answers[1] = said(2, Some(AddressSource::User), 535, other);
        assert!(agreement(NUMBER, &answers).is_ok());
    }

    #[test]
    fn one_dissent_is_a_dispute_however_many_agree() {
        let dissents: [(&str, Vec<AccountState>); 5] = [
            ("key", with(|state| state.key = key(2))),
            ("key", with(|state| state.key = vec![1, 2, 3])),
            ("name", with(|state| state.name = b"nightrave".to_vec())),
            (
                "state",
                with(|state| {
                    state.status = AccountStatus::Listed(Listing {
                        kind: ListingKind::Sale,
                        locked_until: 0,
                        price: 1,
                        pay_to: 5,
                        new_key: vec![0; 6],
                        hashed_secret: Vec::new(),
                    });
                }),
            ),
            ("existence", Vec::new()),
        ];
        for (what, dissent) in dissents {
            let mut answers = three();
            answers.extend((4..9).map(|group| said(group, None, 535, vec![state()])));
            answers.insert(4, said(99, Some(AddressSource::Book), 535, dissent));
            let error = agreement(NUMBER, &answers).unwrap_err();
            assert!(matches!(error, NoAgreement::Dissent { what: on, .. } if on == what), "{what}: {error}");
        }
    }

    #[test]
    fn fewer_parts_of_the_internet_or_one_way_of_learning_are_not_enough() {
        let mut answers = three();
        answers[2].group = NetworkGroup::V4([10, 2]);
        assert_eq!(agreement(NUMBER, &answers), Err(NoAgreement::Few { groups: 2 }));
        let mut answers = three();
        for answer in &mut answers {
            answer.group = NetworkGroup::Name(answer.peer.clone());
        }
        assert_eq!(agreement(NUMBER, &answers), Err(NoAgreement::Few { groups: 1 }));
        for source in [Some(AddressSource::User), Some(AddressSource::Peer), None] {
            let mut answers = three();
            answers.iter_mut().for_each(|answer| answer.source = source);
            assert_eq!(agreement(NUMBER, &answers), Err(NoAgreement::OneSource));
        }
        let mut answers = three();
        answers[0].answer = Err(NoAnswer::TimedOut);
        assert_eq!(agreement(NUMBER, &answers), Err(NoAgreement::Few { groups: 2 }));
        answers.clear();
        assert_eq!(agreement(NUMBER, &answers), Err(NoAgreement::Nobody));
    }

    #[test]
    fn who_is_of_another_time_neither_confirms_nor_is_passed_over() {
        let behind = |accounts| said(4, Some(AddressSource::User), 500, accounts);
        let old = with(|state| state.updated_active = Some(400));
        let mut answers = three();
        answers.push(behind(old.clone()));
        assert!(agreement(NUMBER, &answers).is_ok());
        answers.remove(0);
        assert_eq!(agreement(NUMBER, &answers), Err(NoAgreement::Few { groups: 2 }));
        let mut answers = three();
        answers.push(behind(with(|state| {
            state.updated_active = Some(400);
            state.key = key(2);
        })));
        assert_eq!(agreement(NUMBER, &answers), Err(NoAgreement::Apart));
    }

    #[test]
    fn a_change_that_waits_for_its_block_confirms_nothing() {
        let mut answers = three();
        answers[2] = said(
            3,
            None,
            536,
            with(|state| {
                state.updated_passive = 537;
                state.key = key(2);
            }),
        );
        assert_eq!(agreement(NUMBER, &answers), Err(NoAgreement::Pending));
        for answer in &mut answers {
            answer.answer = Ok(AccountsAnswer { block: Some(531), accounts: vec![state()] });
        }
        assert_eq!(agreement(NUMBER, &answers), Err(NoAgreement::Pending));
    }

    #[test]
    fn three_can_agree_that_there_is_no_account_and_cannot_on_something_that_is_none() {
        let mut answers = three();
        answers.iter_mut().for_each(|answer| answer.answer.as_mut().unwrap().accounts.clear());
        assert_eq!(agreement(NUMBER, &answers).unwrap().account, None);
        for broken in [with(|state| state.key = vec![0; 6]), with(|state| state.name = vec![0xff])] {
            let mut answers = three();
            answers.iter_mut().for_each(|answer| answer.answer.as_mut().unwrap().accounts = broken.clone());
            assert_eq!(agreement(NUMBER, &answers), Err(NoAgreement::Broken));
        }
    }

    #[test]
    fn who_has_not_the_block_in_which_the_account_is_born_does_not_dissent() {
        let newest = 534 * 5 + 5;
        let born = |state: &mut AccountState| {
            state.number = newest;
            state.updated_active = Some(535);
        };
        let mut answers = three();
        answers
            .iter_mut()
            .for_each(|answer| answer.answer = Ok(AccountsAnswer { block: Some(535), accounts: with(born) }));
        assert!(agreement(newest, &answers).is_ok());
        answers[1].answer = Ok(AccountsAnswer { block: Some(534), accounts: Vec::new() });
        assert_eq!(agreement(newest, &answers), Err(NoAgreement::Pending));
        answers[1].answer = Ok(AccountsAnswer { block: Some(535), accounts: Vec::new() });
        assert!(matches!(agreement(newest, &answers), Err(NoAgreement::Dissent { what: "existence", .. })));
    }

    #[test]
    fn who_has_no_chain_says_nothing() {
        let mut answers = three();
        answers[0].answer = Ok(AccountsAnswer { block: None, accounts: Vec::new() });
        assert_eq!(agreement(NUMBER, &answers), Err(NoAgreement::Few { groups: 2 }));
    }

    fn any_answer() -> impl Strategy<Value = AccountAnswer> {
        let source = prop_oneof![Just(None), Just(Some(AddressSource::User)), Just(Some(AddressSource::Peer))];
        (0u8..6, source, 530u32..540, 0u8..3, 0u32..545, any::<bool>()).prop_map(
            |(group, source, block, key_x, updated, there)| {
                let accounts = with(|state| {
                    state.key = key(key_x);
                    state.updated_active = Some(updated);
                });
                said(group, source, block, if there { accounts } else { Vec::new() })
            },
        )
    }

    proptest! {
        /// Whoever lies among them, and however the answers are ordered.
        #[test]
        fn what_is_agreed_on_is_contradicted_by_nobody(answers in prop::collection::vec(any_answer(), 0..9)) {
            let agreed = agreement(NUMBER, &answers);
            let reversed: Vec<AccountAnswer> = answers.iter().rev().cloned().collect();
            let mirrored = agreement(NUMBER, &reversed);
            prop_assert_eq!(agreed.as_ref().ok().map(|agreed| &agreed.account), mirrored.as_ref().ok().map(|agreed| &agreed.account));
            let Ok(agreed) = agreed else { return Ok(()) };
            for answer in &answers {
                let told = answer.answer.as_ref().unwrap().accounts.first().map(|state| state.key.clone());
                prop_assert_eq!(told, agreed.account.as_ref().map(|account| account.key.to_raw()));
            }
            let groups: BTreeSet<_> = answers.iter().map(|answer| answer.group.clone()).collect();
            prop_assert!(groups.len() >= AGREEING_MIN && agreed.peers.len() >= AGREEING_MIN);
        }
    }
}

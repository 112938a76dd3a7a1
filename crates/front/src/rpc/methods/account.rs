//! Accounts of the chain, as PascalCoin peers tell them. No peer's word is taken for the truth: each is shown for itself.

use std::fmt::Write as _;

use nightjar_core::chain::{AccountState, AccountStatus, AccountsAnswer, ListingKind};
use nightjar_core::name::Name;
use nightjar_node::handle::{AccountAnswer, Handle};
use serde::Serialize;

use crate::rpc::arguments::{Arguments, Kind, Need, Param};
use crate::rpc::error::{Code, RpcError};
use crate::rpc::message::Answer;
use crate::rpc::table::{Call, Method, field, field_if};

/// PascalCoin's protocol cannot ask for a higher number.
const ASKED_NUMBER_MAX: u32 = i32::MAX as u32;

pub(crate) const GET: Method<Handle> = Method {
    name: "getaccount",
    summary: "Asks the PascalCoin peers for an account: who answered what, and at which block.",
    notes: "Waits for each peer, up to 10 s. An answer is the peer's word: compare them. Operations that wait in a peer's pool are \
            applied already; an update block above `block` shows such a one. Keys, data and seal are upper-case hex, as in \
            PascalCoin's own `getaccount`.",
    params: &[Param { name: "account", kind: Kind::Account, need: Need::Required, doc: "The account." }],
    result: &[
        field("account", "text", "The account with its checksum."),
        field("answers", "array", "One for each peer that was asked."),
        field("answers[].peer", "text", "The peer's address."),
        field("answers[].agent", "text", "What the peer says it is."),
        field_if("answers[].error", "text", "Why it gave no answer; then nothing else is there."),
        field_if("answers[].block", "integer or null", "The last block the peer has; `null` when it has none."),
        field_if("answers[].found", "boolean", "Whether the peer has the account; if not, what follows is missing."),
        field_if("answers[].state", "text", "`normal`, `for_sale`, `account_swap` or `coin_swap`."),
        field_if("answers[].enc_pubkey", "hex", "The owner's public key, in PascalCoin's raw form."),
        field_if("answers[].balance", "text", "In coins, with four decimals."),
        field_if("answers[].n_operation", "integer", "How many operations it has signed."),
        field_if("answers[].updated_passive", "integer", "Block of the last change by somebody else's operation."),
        field_if(
            "answers[].updated_active",
            "integer or null",
            "Block of the last operation of its own; `null` when an old peer does not tell.",
        ),
        field_if("answers[].name", "text", "Its name; may be empty."),
        field_if("answers[].type", "integer", "A number its owner is free to choose."),
        field_if("answers[].data", "hex", "Bytes its owner is free to choose."),
        field_if("answers[].seal", "hex", "Changes with every operation that touches the account."),
    ],
    example: r#"{"account":"1234-44"}"#,
    example_result: r#"{"account":"1234-44","answers":[{"peer":"pascal://192.0.2.9:4004","agent":"PascalCoin 5.6","block":536,"found":true,"state":"normal","enc_pubkey":"CA0220009A8FF2F9","balance":"99.9999","n_operation":3,"updated_passive":501,"updated_active":532,"name":"nightraven","type":0,"data":"","seal":"52E4D116"},{"peer":"pascal://192.0.2.10:4004","agent":"PascalCoin 5.6","error":"the peer did not answer within 10 s"}]}"#,
    run: |call, arguments| Box::pin(get(call, arguments)),
};

#[derive(Serialize)]
struct Answers {
    account: String,
    answers: Vec<PeerAnswer>,
}

#[derive(Serialize)]
struct PeerAnswer {
    peer: String,
    agent: String,
    #[serde(flatten)]
    said: Said,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Said {
    Found {
        block: Option<u32>,
        found: bool,
        #[serde(flatten)]
        account: Account,
    },
    NotFound {
        block: Option<u32>,
        found: bool,
    },
    Nothing {
        error: String,
    },
}

#[derive(Serialize)]
struct Account {
    state: &'static str,
    enc_pubkey: String,
    balance: String,
    n_operation: u32,
    updated_passive: u32,
    updated_active: Option<u32>,
    name: String,
    r#type: u16,
    data: String,
    seal: String,
}

async fn get(call: Call<Handle>, mut arguments: Arguments) -> Result<Answer, RpcError> {
    let number = arguments.account("account").expect("it is required");
    let account = Name::Account(number).text();
    if number > ASKED_NUMBER_MAX {
        let message =
            format!("account {account} cannot be asked for: PascalCoin's protocol ends at {ASKED_NUMBER_MAX}");
        return Err(RpcError::new(Code::Account, message));
    }
    let answers = call.node.ask_account(number).await.ok_or_else(RpcError::stopping)?;
    if answers.is_empty() {
        let message = "no PascalCoin peer is connected that could be asked: `addnode` with pascal://host:port adds one";
        return Err(RpcError::new(Code::NotFound, message));
    }
    let answers = answers.into_iter().map(|answer| peer_answer(number, answer)).collect();
    Ok(Answer::of(&Answers { account, answers }))
}

fn peer_answer(number: u32, answer: AccountAnswer) -> PeerAnswer {
    let said = match answer.answer {
        Err(error) => Said::Nothing { error: error.to_string() },
        Ok(AccountsAnswer { block, accounts }) => match accounts.into_iter().find(|account| account.number == number) {
            Some(state) => Said::Found { block, found: true, account: account(&state) },
            None => Said::NotFound { block, found: false },
        },
    };
    PeerAnswer { peer: answer.peer, agent: answer.agent, said }
}

fn account(state: &AccountState) -> Account {
    Account {
        state: match &state.status {
            AccountStatus::Normal => "normal",
            AccountStatus::Listed(listing) => match listing.kind {
                ListingKind::Sale => "for_sale",
                ListingKind::AccountSwap => "account_swap",
                ListingKind::CoinSwap => "coin_swap",
            },
        },
        enc_pubkey: upper_hex(&state.key),
        balance: coins(state.balance),
        n_operation: state.n_operation,
        updated_passive: state.updated_passive,
        updated_active: state.updated_active,
        // The chain allows ASCII only; what a lying peer sends is shown as well as it goes.
        name: String::from_utf8_lossy(&state.name).into_owned(),
        r#type: state.account_type,
        data: upper_hex(&state.data),
        seal: upper_hex(&state.seal),
    }
}

/// 1/10000 coins as coins.
fn coins(balance: u64) -> String {
    format!("{}.{:04}", balance / 10_000, balance % 10_000)
}

fn upper_hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        write!(text, "{byte:02X}").expect("a String takes what is written to it");
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

    use nightjar_core::address::NetworkGroup;
    use nightjar_core::chain::Listing;
    use nightjar_core::item::NoAnswer;
    use serde_json::{Value, json};

    use super::*;
    use crate::rpc::reference::undocumented;

    fn state() -> AccountState {
        AccountState {
            number: 1234,
            status: AccountStatus::Normal,
            key: vec![0xca, 0x02, 0xff],
            balance: 999_999,
            updated_passive: 501,
            updated_active: None,
            n_operation: 3,
            name: b"nightraven".to_vec(),
            account_type: 7,
            data: vec![0xab],
            seal: Vec::new(),
        }
    }

    fn shown(answer: Result<AccountsAnswer, NoAnswer>) -> Value {
        let answer = AccountAnswer {
            peer: "pascal://192.0.2.9:4004".to_owned(),
            agent: "daemon".to_owned(),
            group: NetworkGroup::V4([192, 0]),
            source: None,
            answer,
        };
        let answers = Answers { account: "1234-44".to_owned(), answers: vec![peer_answer(1234, answer)] };
        let json: Value = serde_json::from_str(Answer::of(&answers).json()).unwrap();
        assert_eq!(undocumented(GET.result, &json), Vec::<String>::new());
        json.pointer("/answers/0").unwrap().clone()
    }

    #[test]
    fn what_a_peer_tells_is_shown_in_pascalcoins_forms() {
        let json = shown(Ok(AccountsAnswer { block: Some(536), accounts: vec![state()] }));
        assert_eq!(
            json,
            json!({
                "peer": "pascal://192.0.2.9:4004", "agent": "daemon", "block": 536, "found": true, "state": "normal",
                "enc_pubkey": "CA02FF", "balance": "99.9999", "n_operation": 3, "updated_passive": 501,
                "updated_active": null, "name": "nightraven", "type": 7, "data": "AB", "seal": "",
            })
        );
    }

    #[test]
    fn another_account_than_the_asked_one_is_not_the_answer() {
        let other = AccountState { number: 1235, ..state() };
        let json = shown(Ok(AccountsAnswer { block: None, accounts: vec![other] }));
        assert_eq!(json, json!({"peer": "pascal://192.0.2.9:4004", "agent": "daemon", "block": null, "found": false}));
    }

    #[test]
    fn a_peer_that_gave_no_answer_is_shown_with_the_reason_only() {
        let json = shown(Err(NoAnswer::TimedOut));
        let error = NoAnswer::TimedOut.to_string();
        assert_eq!(json, json!({"peer": "pascal://192.0.2.9:4004", "agent": "daemon", "error": error}));
    }

    #[test]
    fn a_listing_is_shown_as_what_it_is() {
        for (kind, says) in [
            (ListingKind::Sale, "for_sale"),
            (ListingKind::AccountSwap, "account_swap"),
            (ListingKind::CoinSwap, "coin_swap"),
        ] {
            let (new_key, hashed_secret) = (Vec::new(), Vec::new());
            let listing = Listing { kind, locked_until: 0, price: 1, pay_to: 2, new_key, hashed_secret };
            let state = AccountState { status: AccountStatus::Listed(listing), ..state() };
            assert_eq!(shown(Ok(AccountsAnswer { block: Some(1), accounts: vec![state] }))["state"], says);
        }
    }

    #[test]
    fn every_balance_has_four_decimals() {
        assert_eq!(
            [coins(0), coins(1), coins(10_000), coins(u64::MAX)],
            ["0.0000", "0.0001", "1.0000", "1844674407370955.1615"]
        );
    }
}

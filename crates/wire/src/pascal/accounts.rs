//! Accounts as a PascalCoin node tells them: the request GET_ACCOUNT and its answer. Never judges what they say.

use nightjar_core::chain::{AccountState, AccountStatus, AccountsAnswer, Listing, ListingKind};
use nightjar_core::fault::Fault;
use nightjar_pasc::key::{NULL_KEY_RAW, PublicKey};

use crate::body::Body;

/// Accounts that one question may ask for: a daemon cuts it there.
pub const ACCOUNTS_PER_QUESTION_MAX: u32 = 1000;
/// Account numbers end here: beyond, a daemon hangs up and bans who asks.
pub const ACCOUNT_NUMBER_END: u32 = 1 << 31;
/// No account takes more in an answer: two keys with coordinates of 99 bytes, a hashed secret, name, data and seal.
pub const ACCOUNT_BYTES_MAX: usize = 640;
/// The longest account name.
const NAME_BYTES_MAX: usize = 64;
/// The longest data of an account, and the length of a hashed secret.
const DATA_BYTES_MAX: usize = 32;
/// The length of a seal.
const SEAL_BYTES: usize = 20;
/// Versions of the record that a daemon reads.
const RECORD_PROTOCOLS: std::ops::RangeInclusive<u16> = 4..=6;
/// From this version on, a record has its active update block, data and seal.
const RECORD_PROTOCOL_WITH_SEAL: u16 = 5;

/// A run of accounts to be asked for. One that exists can be asked of a daemon without harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    first: u32,
    count: u32,
}

impl Range {
    /// So many accounts from `first` on; cut where a question or the numbers end. `None` if that leaves none.
    pub fn new(first: u32, count: u32) -> Option<Self> {
        let left = ACCOUNT_NUMBER_END.checked_sub(first)?;
        let count = count.min(ACCOUNTS_PER_QUESTION_MAX).min(left);
        (count > 0).then_some(Self { first, count })
    }

    /// The data of the request. One account is asked for by itself: such a question can name a number that does not
    /// exist and is answered all the same. The form that lists numbers is never used: it is a ban if one is unknown.
    pub fn write(&self) -> Vec<u8> {
        let mut data = vec![if self.count == 1 { 1 } else { 2 }];
        data.extend_from_slice(&self.first.to_le_bytes());
        if self.count > 1 {
            data.extend_from_slice(&self.count.to_le_bytes());
        }
        data
    }

    /// The most that its answer can have.
    pub const fn answer_bytes_max(&self) -> usize {
        8 + self.count as usize * ACCOUNT_BYTES_MAX
    }

    /// Reads the answer: accounts of this run, ascending.
    pub fn parse_answer(&self, data: &[u8]) -> Result<AccountsAnswer, Fault> {
        let answer = parse_answer(data)?;
        let in_run = |account: &AccountState| account.number >= self.first && account.number - self.first < self.count;
        let ascending = answer.accounts.is_sorted_by(|a, b| a.number < b.number);
        if ascending && answer.accounts.iter().all(in_run) { Ok(answer) } else { Err(Fault::Malformed) }
    }
}

/// Reads any answer about accounts: block, count, records one behind the other.
pub fn parse_answer(data: &[u8]) -> Result<AccountsAnswer, Fault> {
    let mut body = Body(data);
    let block = body.u32()?;
    let count = body.u32()?;
    // Not made room for: the count is only a claim until its records were read.
    let mut accounts = Vec::new();
    for _ in 0..count {
        accounts.push(parse_account(&mut body)?);
    }
    body.end()?;
    // A node without blocks counts one less than none.
    Ok(AccountsAnswer { block: (block != u32::MAX).then_some(block), accounts })
}

fn parse_account(body: &mut Body<'_>) -> Result<AccountState, Fault> {
    let protocol = body.u16()?;
    if !RECORD_PROTOCOLS.contains(&protocol) {
        return Err(Fault::Malformed);
    }
    let with_seal = protocol >= RECORD_PROTOCOL_WITH_SEAL;
    let number = body.u32()?;
    let (key, status) = parse_info(body.str()?)?;
    let balance = body.u64()?;
    let updated_passive = body.u32()?;
    let updated_active = if with_seal { Some(body.u32()?) } else { None };
    let n_operation = body.u32()?;
    let name = at_most(body.str()?, NAME_BYTES_MAX)?;
    let account_type = body.u16()?;
    let data = if with_seal { at_most(body.str()?, DATA_BYTES_MAX)? } else { Vec::new() };
    let seal = if with_seal { body.str()?.to_vec() } else { Vec::new() };
    if with_seal && seal.len() != SEAL_BYTES {
        return Err(Fault::Malformed);
    }
    Ok(AccountState {
        number,
        status,
        key,
        balance,
        updated_passive,
        updated_active,
        n_operation,
        name,
        account_type,
        data,
        seal,
    })
}

/// The owner's key, and what the account is offered for.
fn parse_info(info: &[u8]) -> Result<(Vec<u8>, AccountStatus), Fault> {
    let mut body = Body(info);
    // A key begins with the number of its curve, which is none of these three.
    let kind = match Body(info).u16()? {
        1000 => ListingKind::Sale,
        1001 => ListingKind::AccountSwap,
        1002 => ListingKind::CoinSwap,
        _ => {
            let key = parse_key(&mut body)?;
            body.end()?;
            return Ok((key, AccountStatus::Normal));
        }
    };
    body.u16()?;
    let key = parse_key(&mut body)?;
    let locked_until = body.u32()?;
    let price = body.u64()?;
    let pay_to = body.u32()?;
    let new_key = match body.0.strip_prefix(&NULL_KEY_RAW) {
        Some(rest) => {
            body = Body(rest);
            NULL_KEY_RAW.to_vec()
        }
        None => parse_key(&mut body)?,
    };
    let hashed_secret = match kind {
        ListingKind::Sale => Vec::new(),
        ListingKind::AccountSwap | ListingKind::CoinSwap => at_most(body.str()?, DATA_BYTES_MAX)?,
    };
    body.end()?;
    Ok((key, AccountStatus::Listed(Listing { kind, locked_until, price, pay_to, new_key, hashed_secret })))
}

fn parse_key(body: &mut Body<'_>) -> Result<Vec<u8>, Fault> {
    let (_, used) = PublicKey::parse_raw(body.0).map_err(|_| Fault::Malformed)?;
    body.bytes(used).map(<[u8]>::to_vec)
}

fn at_most(bytes: &[u8], limit: usize) -> Result<Vec<u8>, Fault> {
    if bytes.len() > limit { Err(Fault::Malformed) } else { Ok(bytes.to_vec()) }
}

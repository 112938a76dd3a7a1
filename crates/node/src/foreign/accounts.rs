//! Answers to questions about accounts, from a few that were captured from a daemon.

use std::collections::BTreeMap;

use super::frames::Fields;

/// The block at which the accounts were captured.
const BLOCK: u32 = 534;

/// Each line a number and its record.
const CAPTURED: &str = include_str!("accounts.hex");

/// In the record of an account that is not listed: where its key's curve stands, and where the key's first byte.
const CURVE_AT: std::ops::Range<usize> = 8..10;
const KEY_AT: usize = 12;

/// What a daemon answers to GET_ACCOUNT, or the reason for which it hangs up. One that lies tells another owner.
pub(super) fn answer(data: &[u8], lies: bool) -> Result<Vec<u8>, &'static str> {
    if data.len() < 5 {
        return Err("Invalid structure");
    }
    let mut accounts = captured();
    if lies {
        let plain = accounts.values_mut().filter(|record| record.get(CURVE_AT) == Some(&[0xca, 0x02]));
        plain.filter_map(|record| record.get_mut(KEY_AT)).for_each(|byte| *byte ^= 1);
    }
    let mut fields = Fields(data);
    let found: Vec<&Vec<u8>> = match fields.u8() {
        Some(1) => {
            let number = fields.u32().filter(|number| *number < 1 << 31).ok_or("Invalid start/max value")?;
            accounts.get(&number).into_iter().collect()
        }
        Some(2) => {
            let first = fields.u32().filter(|number| *number < 1 << 31).ok_or("Invalid start/max value")?;
            let count = fields.u32().filter(|count| *count < 1 << 31).ok_or("Invalid start/max value")?;
            accounts.range(first..first.saturating_add(count.min(1000))).map(|(_, record)| record).collect()
        }
        Some(3) => {
            let count = fields.u32().unwrap_or_default().min(1000);
            let numbers = (0..count).map(|_| fields.u32().unwrap_or_default());
            let records: Option<Vec<_>> = numbers.map(|number| accounts.get(&number)).collect();
            records.ok_or("Invalid account number")?
        }
        _ => return Err("Invalid call type"),
    };
    let mut answer = BLOCK.to_le_bytes().to_vec();
    answer.extend(u32::try_from(found.len()).unwrap_or_default().to_le_bytes());
    found.into_iter().for_each(|record| answer.extend(record));
    Ok(answer)
}

fn captured() -> BTreeMap<u32, Vec<u8>> {
    CAPTURED
        .lines()
        .filter_map(|line| {
            let (number, hex) = line.split_once(' ')?;
            let record = (0..hex.len() / 2).map(|at| u8::from_str_radix(hex.get(2 * at..2 * at + 2)?, 16).ok());
            Some((number.parse().ok()?, record.collect::<Option<_>>()?))
        })
        .collect()
}

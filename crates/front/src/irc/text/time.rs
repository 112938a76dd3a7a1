//! Moments as IRC writes them (IRCv3, server-time): `2026-11-30T18:41:34.123Z`.

/// The last moment that can be written so: the end of the year 9999.
pub const TIME_MS_MAX: u64 = 253_402_300_799_999;

const DAY_MS: u64 = 86_400_000;
/// Days of 400 years, after which the calendar is the same again.
const ERA_DAYS: u64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01.
const DAYS_TO_1970: u64 = 719_468;

/// Milliseconds since 1970 as the value of the tag `time`. What is after [`TIME_MS_MAX`] is written as that, for it is a
/// stranger who says when he said something.
pub fn time_tag(unix_ms: u64) -> String {
    let ms = unix_ms.min(TIME_MS_MAX);
    let (year, month, day) = civil(ms / DAY_MS);
    let (hour, minute, second) = (ms / 3_600_000 % 24, ms / 60_000 % 60, ms / 1000 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", ms % 1000)
}

/// The milliseconds since 1970 of what [`time_tag`] writes. The point and the three digits behind it may be left out.
/// None for anything else, for a moment before 1970 and for one that the calendar does not have, leap seconds too.
pub fn parse_time(text: &str) -> Option<u64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let (time, ms) = match time.split_once('.') {
        Some((time, ms)) => (time, number(ms, 3)?),
        None => (time, 0),
    };
    let [year, month, day] = numbers(date, '-', 4)?;
    let [hour, minute, second] = numbers(time, ':', 2)?;
    if year < 1970 || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days = days(year, month, day)?;
    Some(days * DAY_MS + hour * 3_600_000 + minute * 60_000 + second * 1000 + ms)
}

/// Three numbers, of so many digits the first, of two the others.
fn numbers(text: &str, between: char, first_digits: usize) -> Option<[u64; 3]> {
    let mut parts = text.split(between);
    let numbers = [number(parts.next()?, first_digits)?, number(parts.next()?, 2)?, number(parts.next()?, 2)?];
    parts.next().is_none().then_some(numbers)
}

fn number(text: &str, digits: usize) -> Option<u64> {
    // A sign would be read too.
    (text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// Year, month and day of a day counted from 1970-01-01, in the Gregorian calendar. Counts in years that begin in March,
/// so that the leap day is the last one.
const fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + DAYS_TO_1970;
    let (era, of_era) = (days / ERA_DAYS, days % ERA_DAYS);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (era * 400 + year_of_era + if month <= 2 { 1 } else { 0 }, month, day)
}

/// The day counted from 1970-01-01, of a year from then on. None if there is no such day.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let march_year = if month <= 2 { year - 1 } else { year };
    let march_month = if month > 2 { month - 3 } else { month + 9 };
    let (era, year_of_era) = (march_year / 400, march_year % 400);
    let of_year = (153 * march_month + 2) / 5 + day - 1;
    let of_era = 365 * year_of_era + year_of_era / 4 - year_of_era / 100 + of_year;
    let days = (era * ERA_DAYS + of_era).checked_sub(DAYS_TO_1970)?;
    // The 31st of a month of 30 days would be the first of the next one.
    (civil(days) == (year, month, day)).then_some(days)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn moments_are_those_of_the_calendar() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_764_034_335_007, "2025-11-25T01:32:15.007Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (TIME_MS_MAX, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(time_tag(ms), text);
            assert_eq!(parse_time(text), Some(ms));
        }
        assert_eq!(time_tag(TIME_MS_MAX + 1), time_tag(TIME_MS_MAX));
        assert_eq!(time_tag(u64::MAX), time_tag(TIME_MS_MAX));
        assert_eq!(parse_time("2025-11-25T01:32:15Z"), Some(1_764_034_335_000));
    }

    #[test]
    fn other_forms_and_days_that_are_none_are_refused() {
        for text in [
            "",
            "Z",
            "T.Z",
            "2025-11-25",
            "2025-11-25T01:32:15",
            "2025-11-25T01:32:15.Z",
            "2025-11-25T01:32:15.1Z",
            "2025-11-25T01:32:15.1234Z",
            "2025-11-25T01:32:15+00:00",
            "2025-11-25 01:32:15Z",
            "2025-11-25t01:32:15z",
            "+025-11-25T01:32:15Z",
            "2025-11-25-01T01:32:15Z",
            "2025-1-25T01:32:15Z",
            "12025-11-25T01:32:15Z",
            "2025-11-25T24:00:00Z",
            "2025-11-25T23:60:00Z",
            "2016-12-31T23:59:60Z",
            "2025-00-25T01:32:15Z",
            "2025-13-25T01:32:15Z",
            "2025-11-00T01:32:15Z",
            "2025-11-31T01:32:15Z",
            "2025-02-29T01:32:15Z",
            "2100-02-29T01:32:15Z",
            "1969-12-31T23:59:59Z",
            "0000-01-01T00:00:00Z",
            "２025-11-25T01:32:15Z",
        ] {
            assert_eq!(parse_time(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn every_moment_is_read_as_it_was_written(ms in 0..=TIME_MS_MAX) {
            prop_assert_eq!(parse_time(&time_tag(ms)), Some(ms));
        }

        #[test]
        fn later_moments_sort_behind_earlier_ones(ms in 0..TIME_MS_MAX, further in 1..400 * DAY_MS) {
            prop_assert!(time_tag(ms) < time_tag((ms + further).min(TIME_MS_MAX)));
        }

        #[test]
        fn what_is_read_is_written_the_same(text in "(19[67][0-9]|[2-9][0-9]{3})-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9]\\.[0-9]{3}Z") {
            if let Some(ms) = parse_time(&text) {
                prop_assert_eq!(time_tag(ms), text);
            }
        }
    }
}

//! Points in time on the command line: UTC, or from now.

use std::time::{SystemTime, UNIX_EPOCH};

const DAY_S: u64 = 86_400;

/// The time, in milliseconds since the Unix epoch.
pub fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_millis() as u64)
}

/// A time such as `2027-03-01T18:30:00Z` or, from now, `90s`, `45m`, `6h`, `2d`, in milliseconds since the Unix epoch.
///
/// # Errors
/// What was expected.
pub fn parse(text: &str) -> Result<u64, String> {
    parse_at(text, now_ms())
}

fn parse_at(text: &str, now_ms: u64) -> Result<u64, String> {
    let point = instant(text).map(|seconds| seconds.saturating_mul(1000));
    let later = || duration(text).map(|seconds| now_ms.saturating_add(seconds.saturating_mul(1000)));
    point.or_else(later).ok_or_else(|| "expected a time such as 2027-03-01T18:30:00Z, or 90s, 45m, 6h or 2d".into())
}

fn duration(text: &str) -> Option<u64> {
    let unit = text.chars().next_back().filter(char::is_ascii)?;
    let number: u64 = text[..text.len() - 1].parse().ok()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => DAY_S,
        _ => return None,
    };
    number.checked_mul(seconds)
}

/// RFC 3339 in UTC and whole seconds, from 1970 to 9999.
fn instant(text: &str) -> Option<u64> {
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'Z')];
    if text.len() != 20 || marks.iter().any(|(at, mark)| text.as_bytes()[*at] != *mark) {
        return None;
    }
    let number = |from: usize, to: usize| {
        let digits = text.get(from..to)?;
        digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse::<u64>().ok())?
    };
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let lengths = month_lengths(year);
    let length = *lengths.get(usize::try_from(month).ok()?.checked_sub(1)?)?;
    if year < 1970 || day < 1 || day > length || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let years: u64 = (1970..year).map(year_days).sum();
    let months: u64 = lengths[..month as usize - 1].iter().sum();
    Some((years + months + day - 1) * DAY_S + hour * 3600 + minute * 60 + second)
}

/// A point in time as [`parse`] reads it.
pub fn show(time_ms: u64) -> String {
    let seconds = time_ms / 1000;
    let (mut days, second) = (seconds / DAY_S, seconds % DAY_S);
    let mut year = 1970;
    // What is too far away to be meant is shown as the end of all years.
    while days >= year_days(year) && year < 9999 {
        days -= year_days(year);
        year += 1;
    }
    let mut month = 1;
    for length in month_lengths(year) {
        if days < length || month == 12 {
            break;
        }
        days -= length;
        month += 1;
    }
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z", days.min(30) + 1)
}

const fn year_days(year: u64) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

const fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

const fn month_lengths(year: u64) -> [u64; 12] {
    [31, if is_leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_in_time() {
        let known = [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T23:59:59Z", 951_868_799),
            ("2100-03-01T00:00:00Z", 4_107_542_400),
            ("2026-11-21T19:19:32Z", 1_795_288_772),
        ];
        for (text, seconds) in known {
            assert_eq!(parse_at(text, 5), Ok(seconds * 1000), "{text}");
            assert_eq!(show(seconds * 1000), text);
        }
        assert_eq!(show(u64::MAX).len(), 20);
    }

    #[test]
    fn from_now() {
        assert_eq!(parse_at("90s", 7), Ok(90_007));
        assert_eq!(parse_at("2d", 0), Ok(172_800_000));
        for text in
            ["", "s", "5", "5w", "-5m", "2100-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-11-21 19:19:32Z", "5é"]
        {
            assert!(parse_at(text, 0).is_err(), "{text}");
        }
    }
}

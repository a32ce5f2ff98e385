//! Until when a certificate serves: the one thing of it that people must know, read from its DER.
//!
//! Nothing is decided by it. The handshake is what judges a certificate; this is for `check`, which says it before.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// The end of a certificate (RFC 5280, 4.1); `None` for what is none.
pub(super) fn not_after(der: &[u8]) -> Option<DateTime<Utc>> {
    let (certificate, _) = value(der, SEQUENCE)?;
    let (mut rest, _) = value(certificate, SEQUENCE)?;
    if rest.first() == Some(&VERSION) {
        rest = skip(rest)?;
    }
    // The serial number, the algorithm, the issuer.
    for _ in 0..3 {
        rest = skip(rest)?;
    }
    let (validity, _) = value(rest, SEQUENCE)?;
    time(skip(validity)?)
}

fn time(der: &[u8]) -> Option<DateTime<Utc>> {
    let (tag, contents, _) = element(der)?;
    let text = std::str::from_utf8(contents).ok()?.strip_suffix('Z')?;
    if !text.bytes().all(|letter| letter.is_ascii_digit()) {
        return None;
    }
    let (year, rest) = match (tag, text.len()) {
        // Two digits of a year from 1950 to 2049.
        (UTC_TIME, 12) => {
            let year: i32 = text[..2].parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, &text[2..])
        }
        (GENERALIZED_TIME, 14) => (text[..4].parse().ok()?, &text[4..]),
        _ => return None,
    };
    let part = |index: usize| rest[2 * index..2 * index + 2].parse::<u32>().ok();
    let day = NaiveDate::from_ymd_opt(year, part(0)?, part(1)?)?;
    Some(day.and_time(NaiveTime::from_hms_opt(part(2)?, part(3)?, part(4)?)?).and_utc())
}

/// The contents of an element of this kind, and what follows it.
fn value(der: &[u8], wanted: u8) -> Option<(&[u8], &[u8])> {
    let (tag, contents, rest) = element(der)?;
    (tag == wanted).then_some((contents, rest))
}

fn skip(der: &[u8]) -> Option<&[u8]> {
    element(der).map(|(_, _, rest)| rest)
}

/// Tag, contents, and what follows.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (first, mut rest) = rest.split_first()?;
    let mut length = usize::from(*first);
    if length >= 0x80 {
        let (digits, after) = rest.split_at_checked(length - 0x80).filter(|(digits, _)| digits.len() <= 4)?;
        length = digits.iter().fold(0, |length, digit| (length << 8) | usize::from(*digit));
        rest = after;
    }
    let (contents, rest) = rest.split_at_checked(length)?;
    Some((*tag, contents, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    fn certificate(year: i32) -> Vec<u8> {
        let mut params = CertificateParams::new(vec!["vault.example".to_owned()]).expect("a name");
        params.not_after = date_time_ymd(year, 2, 3);
        let key = KeyPair::generate().expect("a key");
        params.self_signed(&key).expect("a certificate").der().to_vec()
    }

    #[test]
    fn the_end_is_read_in_both_forms_that_a_year_has() {
        for year in [1999, 2026, 2049, 2050, 2500] {
            let end = not_after(&certificate(year)).expect("an end");
            assert_eq!(end.to_rfc3339(), format!("{year}-02-03T00:00:00+00:00"));
        }
    }

    proptest! {
        #[test]
        fn what_is_no_certificate_has_no_end_and_does_no_harm(
            cut in 0_usize..600,
            at in 0_usize..600,
            with in any::<u8>(),
        ) {
            let mut der = certificate(2030);
            let length = der.len();
            der[at % length] = with;
            der.truncate(cut.min(length));
            let _ = not_after(&der);
            prop_assert_eq!(not_after(&der[..der.len().min(20)]), None);
        }
    }
}

//! Three clocks that a test can set: the rotator's, Exceptionless's and Vault's.
//!
//! Ours is the machine's, as a library shows it that stands between the rotator and the C library; it is named by
//! `FAKETIME`, and read anew each time, so that it may jump. The emulated Exceptionless has a clock of its own. OpenBao has
//! not: a relay alters what it says about the time, as if each version had been written by the clock of its day.

use std::sync::{Arc, Mutex};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use super::lossy::Lossy;
use super::rig::Rig;

/// One of the three.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    Ours,
    Exceptionless,
    Vault,
}

pub const CLOCKS: [Clock; 3] = [Clock::Ours, Clock::Exceptionless, Clock::Vault];

/// The clocks of one rig.
pub struct Times {
    ours: std::path::PathBuf,
    vault: Offsets,
    _wire: Lossy,
}

/// By how much a clock was off, since when.
type Offsets = Arc<Mutex<Vec<(DateTime<Utc>, TimeDelta)>>>;

impl Times {
    /// Puts clocks into a rig, all of them right.
    pub async fn of(rig: &mut Rig) -> Self {
        let library =
            std::env::var("FAKETIME").expect("FAKETIME names libfaketime.so.1; `make test-system` does");
        let ours = rig.path("our-clock");
        for (name, value) in [
            ("LD_PRELOAD", &*library),
            ("FAKETIME_TIMESTAMP_FILE", ours.to_str().unwrap()),
            ("FAKETIME_NO_CACHE", "1"),
            // A clock that is set does not change how long things take.
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ] {
            rig.environment.insert(name.to_owned(), value.to_owned());
        }
        let wire = Lossy::to(&rig.corner.bao.address).await;
        rig.set("vault", "address", &format!("\"{}\"", wire.address));
        let vault = Offsets::default();
        let offsets = Arc::clone(&vault);
        wire.alter_answers_to("", move |answer| shifted(answer, &offsets.lock().unwrap()));
        let times = Self { ours, vault, _wire: wire };
        for clock in CLOCKS {
            times.set(rig, clock, TimeDelta::zero());
        }
        times
    }

    /// Sets one clock to so much before or after the machine's.
    pub fn set(&self, rig: &Rig, clock: Clock, offset: TimeDelta) {
        match clock {
            Clock::Ours => {
                // It may be read at any moment, and an empty file would be an error.
                let fresh = self.ours.with_extension("new");
                std::fs::write(&fresh, format!("{:+}", offset.num_seconds())).unwrap();
                std::fs::rename(fresh, &self.ours).unwrap();
            }
            Clock::Exceptionless => rig.emulator.set_date_offset(offset),
            Clock::Vault => self.vault.lock().unwrap().push((Utc::now(), offset)),
        }
    }

    pub fn set_all(&self, rig: &Rig, offset: TimeDelta) {
        for clock in CLOCKS {
            self.set(rig, clock, offset);
        }
    }
}

/// The answer with its times moved: the present by the newest offset, the others by those of their day. No time
/// changes its length, so that the rest of the answer stays true.
fn shifted(answer: Vec<u8>, offsets: &[(DateTime<Utc>, TimeDelta)]) -> Vec<u8> {
    let Ok(mut text) = String::from_utf8(answer.clone()) else { return answer };
    let offset_at = |time: DateTime<Utc>| {
        offsets
            .iter()
            .rev()
            .find(|(since, _)| *since <= time)
            .map_or(TimeDelta::zero(), |(_, offset)| *offset)
    };
    for (at, _) in text.clone().match_indices("\r\nDate: ") {
        let place = at + 8..at + 8 + 29;
        let time = DateTime::parse_from_rfc2822(&text[place.clone()]).unwrap().to_utc();
        let moved = time + offset_at(Utc::now());
        text.replace_range(place, &moved.format("%a, %d %b %Y %H:%M:%S GMT").to_string());
    }
    for (at, name) in text.clone().match_indices("_time\":\"2") {
        let start = at + name.len() - 1;
        let Some(length) = text[start..].find('"') else { continue };
        let time: DateTime<Utc> = text[start..start + length].parse().unwrap();
        let moved = (time + offset_at(time)).to_rfc3339_opts(SecondsFormat::Secs, true);
        text.replace_range(start..start + 19, &moved[..19]);
    }
    text.into_bytes()
}

/// An hour.
pub const HOUR: TimeDelta = TimeDelta::hours(1);

#[test]
fn each_time_is_moved_by_the_offset_of_its_day() {
    let old: DateTime<Utc> = "2026-01-05T10:00:00Z".parse().unwrap();
    let offsets = [(old, TimeDelta::zero()), (old + HOUR, HOUR * 2)];
    let answer = "HTTP/1.1 200 OK\r\nDate: Mon, 05 Jan 2026 11:30:00 GMT\r\n\r\n\
        {\"created_time\":\"2026-01-05T10:30:00.5Z\",\"deletion_time\":\"\"} {\"created_time\":\"2026-01-05T11:30:00Z\"}";
    let said = String::from_utf8(shifted(answer.into(), &offsets)).unwrap();
    assert!(said.contains("Date: Mon, 05 Jan 2026 13:30:00 GMT"), "{said}");
    assert!(said.contains("T10:30:00.5Z") && said.contains("T13:30:00Z"), "{said}");
}

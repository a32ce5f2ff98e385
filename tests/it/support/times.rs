//! Three clocks that a test can set: the rotator's, Exceptionless's and Vault's.
//!
//! Ours is the machine's, as a library shows it that stands between the rotator and the C library; it is named by
//! `LIBFAKETIME`, and read anew each time, so that it may jump. The emulated Exceptionless has a clock of its own. OpenBao has
//! not: a relay alters what it says about the time, as if each version had been written by the clock of its day.

use std::sync::{Arc, Mutex};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use exceptionless_emulator::Relay;

use super::rig::Rig;

/// One of the three.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    Ours,
    Exceptionless,
    Vault,
}

impl Clock {
    pub fn title(self) -> &'static str {
        match self {
            Self::Ours => "the rotator's",
            Self::Exceptionless => "Exceptionless's",
            Self::Vault => "Vault's",
        }
    }
}

pub const CLOCKS: [Clock; 3] = [Clock::Ours, Clock::Exceptionless, Clock::Vault];

/// The clocks of one rig.
pub struct Times {
    ours: std::path::PathBuf,
    vault: Offsets,
    _relay: Relay,
}

/// By how much a clock was off, since when.
type Offsets = Arc<Mutex<Vec<(DateTime<Utc>, TimeDelta)>>>;

impl Times {
    /// Puts clocks into a rig, all of them right.
    pub async fn of(rig: &mut Rig) -> Self {
        let library = std::env::var("LIBFAKETIME")
            .expect("LIBFAKETIME names libfaketime.so.1; `make test-system` fetches it and says so");
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
        let relay = rig.relay_vault().await;
        let vault = Offsets::default();
        let offsets = Arc::clone(&vault);
        relay.alter_answers(move |headers, body| {
            let offsets = offsets.lock().unwrap();
            if let Some(date) = headers.get("date") {
                let date = DateTime::parse_from_rfc2822(date.to_str().unwrap()).unwrap().to_utc();
                let moved =
                    (date + offset_at(Utc::now(), &offsets)).format("%a, %d %b %Y %H:%M:%S GMT").to_string();
                headers.insert("date", moved.parse().unwrap());
            }
            shifted(body, &offsets)
        });
        let times = Self { ours, vault, _relay: relay };
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

fn offset_at(time: DateTime<Utc>, offsets: &[(DateTime<Utc>, TimeDelta)]) -> TimeDelta {
    offsets.iter().rev().find(|(since, _)| *since <= time).map_or(TimeDelta::zero(), |(_, offset)| *offset)
}

/// The document with each of its times moved by the offset of its day.
fn shifted(document: String, offsets: &[(DateTime<Utc>, TimeDelta)]) -> String {
    const TIME: &str = "_time\":\"";
    let mut moved = String::new();
    let mut parts = document.split(TIME);
    moved += parts.next().unwrap_or_default();
    for part in parts {
        moved += TIME;
        let (time, rest) = part.split_once('"').unwrap();
        match time.parse::<DateTime<Utc>>() {
            Ok(time) => {
                let time = time + offset_at(time, offsets);
                moved += &time.to_rfc3339_opts(SecondsFormat::AutoSi, true);
            }
            // Not every time is set.
            Err(_) => moved += time,
        }
        moved.push('"');
        moved += rest;
    }
    moved
}

/// An hour.
pub const HOUR: TimeDelta = TimeDelta::hours(1);

#[test]
fn each_time_is_moved_by_the_offset_of_its_day() {
    let old: DateTime<Utc> = "2026-01-05T10:00:00Z".parse().unwrap();
    let offsets = [(old, TimeDelta::zero()), (old + HOUR, HOUR * 2)];
    let document = "{\"created_time\":\"2026-01-05T10:30:00.5Z\",\"deletion_time\":\"\"} {\"created_time\":\"2026-01-05T11:30:00Z\"}";
    assert_eq!(
        shifted(document.to_owned(), &offsets),
        "{\"created_time\":\"2026-01-05T10:30:00.500Z\",\"deletion_time\":\"\"} {\"created_time\":\"2026-01-05T13:30:00Z\"}"
    );
}

//! When keys are due: a cron expression in a real time zone.
//!
//! The expression is evaluated on local wall-clock time and only then mapped to instants, because the
//! zone's offset may change between two occurrences. An hour that summer time skips happens at its end;
//! an hour that winter time repeats happens once, the first time. So no occurrence is lost and none
//! happens twice; `*/30` pauses for the repeated hour once a year.

use std::fmt;

use chrono::{DateTime, MappedLocalTime, NaiveDateTime, SubsecRound, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use croner::errors::CronError;
use croner::parser::{CronParser, Seconds, Year};
use croner::{Cron, Direction};

/// No zone has ever moved its clocks by more than a day at once (islands that crossed the date line).
const LARGEST_SHIFT: TimeDelta = TimeDelta::hours(24);

/// A cron expression and its zone. It has a next occurrence: an expression that never comes is refused.
#[derive(Clone)]
pub struct Schedule {
    cron: Cron,
    text: String,
    zone: Tz,
}

/// Why text is not a schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSchedule {
    /// The wrong number of fields.
    #[error(
        "{text:?} has {fields} field{}; a schedule has 5 (minute hour day month weekday) or 6 (with seconds in front)",
        if *.fields == 1 { "" } else { "s" }
    )]
    Fields {
        /// The expression.
        text: String,
        /// How many fields it has.
        fields: usize,
    },
    /// A field that the cron dialect does not know.
    #[error("{text:?} is not a cron expression: {problem}")]
    Syntax {
        /// The expression.
        text: String,
        /// What the parser says.
        problem: String,
    },
    /// A date like the 31st of February.
    #[error("{0:?} never comes: no date matches it")]
    Never(String),
}

impl Schedule {
    /// Reads 5 or 6 fields, or an alias such as `@daily`. `now` only serves to find out whether the
    /// expression ever comes.
    pub fn parse(text: &str, zone: Tz, now: DateTime<Utc>) -> Result<Self, InvalidSchedule> {
        let fields = text.split_whitespace().count();
        let alias = fields == 1 && text.trim_start().starts_with('@');
        if !alias && fields != 5 && fields != 6 {
            return Err(InvalidSchedule::Fields { text: text.to_owned(), fields });
        }
        let cron = CronParser::builder()
            .seconds(Seconds::Optional)
            .year(Year::Disallowed)
            .build()
            .parse(text)
            .map_err(|error| InvalidSchedule::Syntax { text: text.to_owned(), problem: in_short(&error) })?;
        let schedule = Self { cron, text: text.to_owned(), zone };
        match schedule.next(now) {
            Some(_) => Ok(schedule),
            None => Err(InvalidSchedule::Never(text.to_owned())),
        }
    }

    /// The same expression, read in another zone. Whether it ever comes does not depend on that.
    pub fn in_zone(self, zone: Tz) -> Self {
        Self { zone, ..self }
    }

    /// The zone in which it is read.
    pub fn zone(&self) -> Tz {
        self.zone
    }

    /// The first occurrence after `now`.
    pub fn next(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let (earliest, _) = self.local_window(now);
        let mut local = self.occurrence(earliest, true, Direction::Forward)?;
        while self.instant(local) <= now {
            local = self.occurrence(local, false, Direction::Forward)?;
        }
        Some(self.instant(local))
    }

    /// The last occurrence at or before `now`.
    pub fn previous(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let (_, latest) = self.local_window(now);
        let mut local = self.occurrence(latest, true, Direction::Backward)?;
        while self.instant(local) > now {
            local = self.occurrence(local, false, Direction::Backward)?;
        }
        Some(self.instant(local))
    }

    /// The local times between which the occurrences around `now` must be looked for: one and the same,
    /// except near a change of offset, when local times as far apart as the change may be meant.
    fn local_window(&self, now: DateTime<Utc>) -> (NaiveDateTime, NaiveDateTime) {
        let offset = |time: DateTime<Utc>| time.with_timezone(&self.zone).naive_local() - time.naive_utc();
        let [before, here, after] = [now - LARGEST_SHIFT, now, now + LARGEST_SHIFT].map(offset);
        let shift = before.max(here).max(after) - before.min(here).min(after);
        let local = (now.naive_utc() + here).trunc_subsecs(0);
        (local - shift, local + shift)
    }

    /// Asks the cron expression in local time, which croner reads as if it were UTC.
    fn occurrence(
        &self,
        from: NaiveDateTime,
        inclusive: bool,
        direction: Direction,
    ) -> Option<NaiveDateTime> {
        let from = from.and_utc();
        let found = match direction {
            Direction::Forward => self.cron.find_next_occurrence(&from, inclusive),
            Direction::Backward => self.cron.find_previous_occurrence(&from, inclusive),
        };
        found.ok().map(|time| time.naive_utc())
    }

    /// When a local time happens. It never goes back as the local time goes forward.
    fn instant(&self, local: NaiveDateTime) -> DateTime<Utc> {
        match self.zone.from_local_datetime(&local) {
            MappedLocalTime::Single(time) | MappedLocalTime::Ambiguous(time, _) => time.to_utc(),
            MappedLocalTime::None => self.end_of_gap(local),
        }
    }

    /// The instant at which the clocks jumped over `local`.
    fn end_of_gap(&self, local: NaiveDateTime) -> DateTime<Utc> {
        let reached = |utc: DateTime<Utc>| utc.with_timezone(&self.zone).naive_local() > local;
        let (mut before, mut after) = (local.and_utc() - LARGEST_SHIFT, local.and_utc() + LARGEST_SHIFT);
        while after - before > TimeDelta::seconds(1) {
            let middle = (before + (after - before) / 2).trunc_subsecs(0);
            if reached(middle) { after = middle } else { before = middle }
        }
        after
    }
}

/// The parser's own name for its errors means nothing to whoever wrote the expression.
fn in_short(error: &CronError) -> String {
    match error {
        CronError::ComponentError(problem) | CronError::InvalidPattern(problem) => problem.to_lowercase(),
        other => other.to_string(),
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.text, self.zone)
    }
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Schedule({self})")
    }
}

impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text && self.zone == other.zone
    }
}

#[cfg(test)]
mod tests;

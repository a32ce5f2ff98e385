//! When a secret is written again, with the same key, because other fields are wanted than it has.

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::clocks::Clocks;
use crate::domain::shape::Shape;

use super::FURTHEST_FUTURE;
use super::world::Sight;

/// How long a shape is left alone. Two rotators that are configured differently reshape each other's secrets for as
/// long as they run: so often, and each time with a warning.
const REST: TimeDelta = TimeDelta::minutes(10);

/// When a secret of ours in another shape than is wanted may be written again, judged by the earliest clock; `None` when
/// it has the shape that is wanted.
pub(super) fn time(shape: &Shape, sight: &Sight, clocks: &Clocks) -> Option<DateTime<Utc>> {
    match &sight.ours()?.shape {
        None => (!shape.is_standard()).then_some(DateTime::UNIX_EPOCH),
        Some(mark) if mark.is_of(shape) => None,
        // A broken clock has dated it.
        Some(mark) if mark.at > clocks.latest() + FURTHEST_FUTURE => Some(DateTime::UNIX_EPOCH),
        Some(mark) => Some(mark.at + REST),
    }
}

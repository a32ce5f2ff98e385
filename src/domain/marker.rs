//! How we recognise our own: the text in a key's notes, and the mark on a secret.
//!
//! The match is exact. A person who edits the notes of a key takes it into their own hands: the
//! rotator will neither publish it again nor revoke it.

use std::fmt;

use super::ids::{Instance, RotationId};

/// How the notes of every version begin.
const FAMILY: &str = "exceptionless-rotator/";

/// The product and the version of the marker format. Other programs read it; it does not change.
const PRODUCT: &str = "exceptionless-rotator/1";

/// The notes of a key that the rotator minted:
/// `exceptionless-rotator/1 instance=<name> rotation=<uuid v7>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marker {
    /// The deployment that minted the key.
    pub instance: Instance,
    /// The attempt in which it did.
    pub rotation: RotationId,
}

/// Whether notes begin as those of a rotator do, of whichever instance and version, and whatever a person has added.
pub fn is_marked(notes: &str) -> bool {
    notes.trim_start().starts_with(FAMILY)
}

/// Whether a rotator of another version wrote them, in a form that this one cannot read.
pub fn is_of_another_format(notes: &str) -> bool {
    let ours = notes.trim_start().strip_prefix(PRODUCT).is_some_and(|rest| rest.starts_with(' '));
    is_marked(notes) && !ours
}

impl Marker {
    /// Reads notes; `None` when a person, or another program, wrote them.
    pub fn parse(notes: &str) -> Option<Self> {
        let rest = notes.strip_prefix(PRODUCT)?.strip_prefix(" instance=")?;
        let (instance, rotation) = rest.split_once(" rotation=")?;
        let marker =
            Self { instance: Instance::parse(instance).ok()?, rotation: RotationId::parse(rotation).ok()? };
        (marker.to_string() == notes).then_some(marker)
    }

    /// The marker in a key's notes, if it is one of this instance.
    pub fn of(instance: &Instance, notes: Option<&str>) -> Option<Self> {
        Self::parse(notes?).filter(|marker| marker.instance == *instance)
    }
}

impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PRODUCT} instance={} rotation={}", self.instance, self.rotation)
    }
}

/// The owner of a secret: `exceptionless-rotator/1 instance=<name>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner(pub Instance);

impl Owner {
    /// Reads the mark on a secret; `None` when it is not one of ours.
    pub fn parse(text: &str) -> Option<Self> {
        let instance = text.strip_prefix(PRODUCT)?.strip_prefix(" instance=")?;
        Instance::parse(instance).ok().map(Self)
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PRODUCT} instance={}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTES: &str =
        "exceptionless-rotator/1 instance=default rotation=0198c5d2-7b1e-7c3a-9f00-5d2f1c0a9b77";

    #[test]
    fn a_marker_reads_back_as_it_was_written() {
        let marker = Marker::parse(NOTES).expect("our marker");
        assert_eq!(marker.to_string(), NOTES);
        assert_eq!(Owner(marker.instance).to_string(), "exceptionless-rotator/1 instance=default");
    }

    #[test]
    fn notes_that_a_person_touched_are_no_longer_ours() {
        let upper = NOTES.to_uppercase();
        for notes in [
            "",
            "made by a person",
            &NOTES[..NOTES.len() - 1],
            &format!("{NOTES} "),
            &format!(" {NOTES}"),
            &upper,
        ] {
            assert_eq!(Marker::parse(notes), None, "{notes:?}");
        }
    }

    #[test]
    fn notes_that_a_person_edited_are_told_from_those_of_another_format() {
        for (notes, marked, another) in [
            (NOTES, true, false),
            (&format!(" {NOTES}, of the importer"), true, false),
            ("exceptionless-rotator/2 something", true, true),
            ("exceptionless-rotator/10 instance=default", true, true),
            ("of the importer", false, false),
        ] {
            assert_eq!((is_marked(notes), is_of_another_format(notes)), (marked, another), "{notes:?}");
        }
    }

    #[test]
    fn a_mark_of_a_later_format_is_not_ours() {
        assert_eq!(Owner::parse("exceptionless-rotator/10 instance=default"), None);
    }
}

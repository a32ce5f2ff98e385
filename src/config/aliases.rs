//! How large a YAML file becomes when its aliases are filled in.
//!
//! The parser copies what an alias names. Where that holds aliases itself, a few lines grow tenfold each, and a
//! file that was meant as a joke would take all memory of a daemon that was only asked to read it again.

use std::collections::HashMap;

use yaml_rust2::parser::{EventReceiver, Parser};
use yaml_rust2::{Event, ScanError};

/// In letters, each value counting one more: no configuration comes near it.
const LARGEST: usize = 1 << 20;

/// Whether the aliases of this text stay within bounds. Text that is not YAML does: nothing is made of it.
pub(super) fn are_bounded(text: &str) -> bool {
    let mut size = Size::default();
    let _: Result<(), ScanError> = Parser::new_from_str(text).load(&mut size, true);
    // A file without aliases is as large as it looks, whatever that is.
    size.copied <= LARGEST
}

#[derive(Default)]
struct Size {
    /// Of everything so far.
    whole: usize,
    /// Of what aliases stand for.
    copied: usize,
    /// The collections that have begun: their anchor, and the whole before them.
    open: Vec<(usize, usize)>,
    anchored: HashMap<usize, usize>,
}

impl EventReceiver for Size {
    fn on_event(&mut self, event: Event) {
        match event {
            Event::Alias(anchor) => {
                let size = self.anchored.get(&anchor).copied().unwrap_or(1);
                self.whole = self.whole.saturating_add(size);
                self.copied = self.copied.saturating_add(size);
            }
            Event::Scalar(text, _, anchor, _) => {
                self.whole = self.whole.saturating_add(text.len() + 1);
                self.anchored.insert(anchor, text.len() + 1);
            }
            Event::SequenceStart(anchor, _) | Event::MappingStart(anchor, _) => {
                self.open.push((anchor, self.whole));
                self.whole = self.whole.saturating_add(1);
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some((anchor, before)) = self.open.pop() {
                    self.anchored.insert(anchor, self.whole - before);
                }
            }
            _ => {}
        }
    }
}

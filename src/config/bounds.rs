//! How large and how deep a YAML file becomes when it is filled in.
//!
//! The parser copies what an alias names. Where that holds aliases itself, a few lines grow tenfold each; and it
//! calls itself for each level. So a file of one screen could take all memory, or all stack, of a daemon that was
//! only asked to read it again. The parsers of TOML and JSON know bounds of their own.

use std::collections::HashMap;

use yaml_rust2::Event;
use yaml_rust2::parser::Parser;

/// What aliases may add, in bytes, each value counting one more: no configuration comes near it.
const LARGEST: usize = 1 << 20;

/// A configuration has four levels; this is about what the other formats allow.
const DEEPEST: usize = 100;

/// Whether this text can be parsed within bounds. Text that is not YAML can: nothing is made of it.
pub(super) fn are_kept(text: &str) -> bool {
    let (mut parser, mut size) = (Parser::new_from_str(text), Size::default());
    while let Ok((event, _)) = parser.next_token() {
        if event == Event::StreamEnd {
            break;
        }
        size.grow(event);
        if size.copied > LARGEST || size.open.len() > DEEPEST {
            return false;
        }
    }
    true
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

impl Size {
    fn grow(&mut self, event: Event) {
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

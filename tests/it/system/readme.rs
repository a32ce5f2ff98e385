//! The commands of the README, so that what it tells people to type is what is tried.

/// The commands of the block that holds this one.
pub fn commands(part: &str) -> &'static str {
    let readme = include_str!("../../../README.md");
    let blocks = readme.split("\n```sh\n").skip(1).map(|rest| rest.split_once("```").unwrap().0);
    let mut holding = blocks.filter(|block| block.contains(part));
    let found = holding.next().unwrap_or_else(|| panic!("no block of README.md holds {part:?}"));
    assert!(holding.next().is_none(), "more than one block of README.md holds {part:?}");
    found
}

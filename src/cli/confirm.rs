//! The question before something that cannot be taken back.
//!
//! It is asked of a person, who has read on the terminal what is about to happen, and answered with a word, so that no
//! finger on a key does it. Programs have no terminal; whether they may go on without an answer each command says.

use std::io::{self, BufRead, IsTerminal, Write};

use super::exit::{Exit, Failure};

/// Whether somebody sits there who reads the question and can answer.
pub(super) fn somebody_is_there() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks for a word; anything else is a no.
pub(super) fn ask(question: &str, word: &str) -> Result<(), Failure> {
    eprint!("{question} Type \"{word}\" to go on: ");
    io::stderr().flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    if answer.trim() == word {
        return Ok(());
    }
    Err(Failure::new(Exit::SomeFailed, "not confirmed; nothing was changed"))
}

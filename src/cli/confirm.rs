//! The question before something that cannot be taken back.
//!
//! It is asked of a person, who has read on the terminal what is about to happen, and answered with a word, so that no
//! finger on a key does it. The question goes to the terminal itself: what the command says may go into a file, as people
//! let it who keep a record of an incident. Programs have no terminal; whether they may go on without an answer each
//! command says.

use std::fs::File;
use std::io::{self, BufRead, IsTerminal, Write};

use super::exit::{Exit, Failure};

/// Whether somebody sits there who reads the question and can answer.
pub(super) fn somebody_is_there() -> bool {
    io::stdin().is_terminal() && terminal().is_ok()
}

/// Asks for a word; anything else is a no.
pub(super) fn ask(question: &str, word: &str) -> Result<(), Failure> {
    let mut terminal = terminal()?;
    write!(terminal, "{question} Type \"{word}\" to go on: ")?;
    terminal.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    if answer.trim() == word {
        return Ok(());
    }
    Err(Failure::new(Exit::SomeFailed, "not confirmed; nothing was changed"))
}

fn terminal() -> io::Result<File> {
    File::options().write(true).open("/dev/tty")
}

//! A person at a terminal: the binary on a pseudo-terminal of its own, and what is typed at its question.

use std::process::Stdio;

use tokio::process::Command;

use super::process::Ended;
use super::rig::Rig;

/// Starts a program on a new terminal, types the answer when a text appears on it, and shows what the terminal showed.
const PERSON: &str = r#"
import os, pty, sys
text, answer, program = sys.argv[1].encode(), sys.argv[2].encode() + b"\n", sys.argv[3:]
child, terminal = pty.fork()
if child == 0:
    os.execv(program[0], program)
seen, answered = b"", False
while True:
    try:
        said = os.read(terminal, 4096)
    except OSError:
        break
    if not said:
        break
    seen += said
    if text in seen and not answered:
        os.write(terminal, answer)
        answered = True
_, status = os.waitpid(child, 0)
sys.stdout.buffer.write(seen)
sys.exit(os.waitstatus_to_exitcode(status))
"#;

/// What every question ends with.
const QUESTION: &str = " to go on: ";

/// Runs the binary there. What the terminal showed is the standard output.
pub async fn at_a_terminal(rig: &Rig, arguments: &[&str], answer: &str) -> Ended {
    typed(rig, &["-c", PERSON, QUESTION, answer], arguments).await
}

/// The same, with a file for what the binary says.
pub async fn recorded_at_a_terminal(rig: &Rig, arguments: &[&str], answer: &str) -> Ended {
    let recorded = r#""$0" "$@" >/dev/null 2>&1"#;
    typed(rig, &["-c", PERSON, QUESTION, answer, "/bin/sh", "-c", recorded], arguments).await
}

async fn typed(rig: &Rig, person: &[&str], arguments: &[&str]) -> Ended {
    let product = rig.command(arguments);
    let product = product.as_std();
    let mut python = Command::new("python3");
    python.args(person).arg(product.get_program()).args(product.get_args());
    python.env_clear().envs(&rig.environment).env("PATH", std::env::var_os("PATH").unwrap());
    python.stdin(Stdio::null()).kill_on_drop(true);
    Ended::from(python.output().await.unwrap())
}

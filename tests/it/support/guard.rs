//! A server that does not outlive this process, however that ends.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The file in the server's home that holds what it prints.
pub const SAID: &str = "said";

/// A shell that ends the server when its own standard input ends: with the guard, or with this process.
pub struct Guard {
    _shell: Child,
    server: u32,
}

impl Guard {
    /// Starts a server that has this folder as its home. What is scratch goes with it.
    pub fn start(program: &Path, arguments: &[String], home: &Path, scratch: Option<&Path>) -> Self {
        let mut shell = Command::new("sh");
        shell.args([
            "-c",
            r#""$0" "$@" >"$HOME/said" 2>/dev/null & server=$!; echo $server; cat >/dev/null; kill $server; wait; rm -rf "$SCRATCH""#,
        ]);
        shell.arg(program).args(arguments).env("HOME", home);
        if let Some(scratch) = scratch {
            shell.env("SCRATCH", scratch);
        }
        let mut shell =
            shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(shell.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { _shell: shell, server: line.trim().parse().unwrap() }
    }

    /// The server's process.
    pub fn server(&self) -> u32 {
        self.server
    }

    /// Ends the server as the end of its machine would. The shell still holds its number, so that it is nobody else's.
    pub fn kill(&self) {
        let id = self.server.to_string();
        assert!(Command::new("kill").args(["-9", &id]).status().unwrap().success());
    }
}

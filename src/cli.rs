//! The command line, and the place where everything is put together.
//!
//! One file per command, and beside these what several share. A command gets what it needs from `setup`, does its work through the
//! [`engine`](crate::engine), and returns an [`Exit`]; it never ends the process itself.

mod check;
mod completions;
mod confirm;
mod deeds;
mod effective;
mod emergency;
mod exit;
mod explain;
mod health;
mod keys;
mod pass;
mod plan;
mod progress;
mod projects;
mod rotate;
mod rotate_credential;
mod run;
mod setup;
mod status;
mod survey;
mod table;
mod undo;
mod unmanaged;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::daemon::telemetry;
use crate::domain::key::without_keys;

pub use exit::Exit;

/// Keeps the API keys of Exceptionless projects fresh in HashiCorp Vault or OpenBao.
#[derive(Debug, Parser)]
#[command(name = "exceptionless-rotator", version, arg_required_else_help = true, max_term_width = 100)]
#[command(
    after_help = "Exit codes: 0 done, 1 some project failed, 64 usage, 69 a server cannot be reached, \
                        77 not permitted, 78 configuration."
)]
pub struct Cli {
    /// The configuration file (TOML, YAML or JSON) [default: /etc/exceptionless-rotator/config.toml]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon: rotate on schedule until told to stop
    Run,
    /// Run one pass and exit: rotate what is due, retire what has served its overlap
    Rotate(rotate::Options),
    /// Change the rotator's own password at Exceptionless, and keep the new one in Vault
    RotateCredential(rotate_credential::Options),
    /// Show what a pass would do, with its request budget; write nothing
    Plan(plan::Options),
    /// Show every project: its key, age, next rotation, keys waiting for retirement, problems
    Status(status::Options),
    /// Show why a project is as it is, what comes next, and what blocks it
    Explain(explain::Options),
    /// Bring back keys that were disabled and not yet deleted
    ///
    /// Without --key those come back that were disabled when their overlap was over, as the rotator does it. A key that a
    /// person has disabled since cannot be told from them: where one has leaked, name the others with --key.
    Undo(undo::Options),
    /// Disable old keys that people made and the published key replaces; delete those that are disabled
    RetireUnmanaged(unmanaged::Options),
    /// Check the configuration, both servers, all rights, and the paths; name a remedy for each finding
    Check(Report),
    /// Ask the daemon on this machine whether it is well, for supervisors of containers
    Health,
    /// Show the effective configuration and where each value comes from; secrets are redacted
    Config,
    /// Print shell completions
    Completions(completions::Options),
    /// Print the man page
    Man,
}

/// How a command prints its result.
#[derive(Debug, Clone, Copy, Args)]
struct Report {
    /// The form of the result
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people
    #[value(alias = "text")]
    Table,
    /// One document, with stable names
    Json,
}

/// Reads the command line, does what it says, and turns the end into an exit code.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers, everything else is a mistake in the command line.
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Done };
            let text = error.to_string();
            let shown = without_keys(&text);
            if exit == Exit::Done || shown == text {
                let _ = error.print();
            } else {
                eprint!("{shown}");
            }
            return exit.into();
        }
    };
    let exit = cli.dispatch().unwrap_or_else(|failure| failure.report());
    telemetry::finish();
    exit.into()
}

impl Cli {
    fn dispatch(self) -> Result<Exit, exit::Failure> {
        let Self { config, command } = self;
        let file = config.as_deref();
        match command {
            Command::Run => run::run(file),
            Command::Rotate(options) => rotate::run(file, &options),
            Command::RotateCredential(options) => rotate_credential::run(file, &options),
            Command::Plan(options) => plan::run(file, &options),
            Command::Status(options) => status::run(file, &options),
            Command::Undo(options) => undo::run(file, &options),
            Command::RetireUnmanaged(options) => unmanaged::run(file, &options),
            Command::Explain(options) => explain::run(file, &options),
            Command::Check(report) => check::run(file, report.output),
            Command::Health => health::run(file),
            Command::Config => effective::run(file),
            Command::Completions(options) => completions::run(&options),
            Command::Man => completions::man(),
        }
    }
}

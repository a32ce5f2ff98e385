//! `completions` and `man`: both from the definition of the command line, so that they cannot be wrong.

use std::io::Write;

use clap::{Args, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;

use crate::config::DEFAULT_FILE;

use super::Cli;
use super::exit::{Exit, Failure};
use super::table::print;

#[derive(Debug, Args)]
pub(super) struct Options {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn run(options: &Options) -> Result<Exit, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(options.shell, &mut Cli::command(), "exceptionless-rotator", &mut text);
    print(&String::from_utf8_lossy(&text))?;
    Ok(Exit::Done)
}

/// What a page has besides its commands: a title, and entries with their texts.
const REFERENCE: [(&str, &[(&str, &str)]); 4] = [
    (
        "FILES",
        &[
            (
                DEFAULT_FILE,
                "The configuration, unless --config names another. Relative names in it start in its folder.",
            ),
            (
                "/usr/share/doc/exceptionless-rotator/default.toml",
                "Every key with its default and its meaning, where the Debian package is installed; config/default.toml in the \
                 source. `exceptionless-rotator config` shows what is in force, and where each value comes from.",
            ),
        ],
    ),
    (
        "ENVIRONMENT",
        &[
            ("ROTATOR__SECTION__KEY", "Sets a key, such as ROTATOR__VAULT__ADDRESS. It wins over the file."),
            (
                "VAULT_ADDR, VAULT_TOKEN, VAULT_NAMESPACE, VAULT_CACERT, ...",
                "Mean what they mean to the vault command, where the configuration is silent; but VAULT_SKIP_VERIFY is ignored, \
                 and what begins with BAO_ is not read.",
            ),
            (
                "CREDENTIALS_DIRECTORY",
                "Where the files that hold secrets are looked up first; systemd sets it for LoadCredential=.",
            ),
        ],
    ),
    (
        "SIGNALS",
        &[
            ("TERM, INT", "End in good order: what is under way reaches a safe point."),
            ("HUP", "Read the configuration anew; a bad one is refused and the old one stays."),
            ("USR1", "Begin a pass now."),
        ],
    ),
    (
        "EXIT STATUS",
        &[
            ("0", "Done."),
            ("1", "Some project failed."),
            ("64", "The command line is wrong."),
            ("69", "A server cannot be reached."),
            ("77", "Not permitted."),
            ("78", "The configuration is wrong."),
        ],
    ),
];

/// The formatter takes a backslash for the beginning of a command, and a hyphen for a dash.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-")
}

/// One page for all commands: nobody looks for thirteen.
pub(super) fn man() -> Result<Exit, Failure> {
    let mut command = Cli::command();
    command.build();
    let mut page = Vec::new();
    let man = Man::new(command.clone());
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    for subcommand in command.get_subcommands().filter(|subcommand| subcommand.get_name() != "help") {
        let mut section = Vec::new();
        let man = Man::new(subcommand.clone());
        man.render_synopsis_section(&mut section)?;
        man.render_description_section(&mut section)?;
        man.render_options_section(&mut section)?;
        writeln!(page, ".SH {}", subcommand.get_name().to_uppercase())?;
        page.extend(String::from_utf8_lossy(&section).replace(".SH", ".SS").bytes());
    }
    for (title, entries) in REFERENCE {
        writeln!(page, ".SH {title}")?;
        for (name, text) in entries {
            writeln!(page, ".TP\n\\fB{}\\fR\n{}", escaped(name), escaped(text))?;
        }
    }
    man.render_version_section(&mut page)?;
    print(&String::from_utf8_lossy(&page))?;
    Ok(Exit::Done)
}

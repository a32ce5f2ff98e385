//! Keeps the API keys of Exceptionless projects fresh in HashiCorp Vault or OpenBao.

use std::process::ExitCode;

fn main() -> ExitCode {
    exceptionless_rotator::cli::main()
}

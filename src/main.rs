//! Keeps the API keys of Exceptionless projects fresh in HashiCorp Vault or OpenBao.

use std::alloc::System;
use std::process::ExitCode;

use zeroizing_alloc::ZeroAlloc;

/// Freed memory is zeroed: see [`exceptionless_rotator::process`].
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    exceptionless_rotator::process::harden();
    exceptionless_rotator::cli::main()
}

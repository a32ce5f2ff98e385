//! What this process leaves behind where others may look: no key.
//!
//! The types of the domain keep secrets out of what is printed on purpose. This is for the rest: a core
//! dump, a debugger of the same user, a panic message that quotes what was being parsed, and memory that was freed
//! without being overwritten. The binary calls [`harden`] before anything else, and frees memory through an allocator
//! that zeroes it, so that also the buffers of the libraries below (HTTP, TLS, JSON), which know nothing of secrets, keep
//! none. What stays is what is still in use: the keys of a pass under way, and the read buffer of each open connection
//! with the last answer in it.

use std::panic::PanicHookInfo;

/// Forbids core dumps and, on Linux, other processes of the same user to look into this one; keeps what is being read
/// out of panic messages. For the binary: a test process wants its panics whole.
pub fn harden() {
    if let Err(error) = no_dumps() {
        eprintln!(
            "warning: core dumps cannot be forbidden ({error}); set LimitCORE=0 or `ulimit -c 0` outside"
        );
    }
    std::panic::set_hook(Box::new(tell));
}

fn no_dumps() -> rustix::io::Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};

    // The second is the stronger one, and does not wait for the first.
    let limited = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    limited
}

/// Says where it happened. A message that was put together at run time may quote a key; one that was not is code.
fn tell(panic: &PanicHookInfo<'_>) {
    let problem = panic
        .payload()
        .downcast_ref::<&'static str>()
        .copied()
        .unwrap_or("the message is withheld, it may quote a secret");
    let at = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    if tracing::dispatcher::has_been_set() {
        tracing::error!(
            event = "process.panicked",
            at,
            problem,
            "an error in the rotator itself at {at}: {problem}; please report it"
        );
    } else {
        eprintln!("error: an error in the rotator itself at {at}: {problem}; please report it");
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::{DumpableBehavior, Resource, dumpable_behavior, getrlimit};

    #[test]
    #[cfg(target_os = "linux")]
    fn no_core_is_dumped_and_nobody_may_look_inside() {
        super::no_dumps().expect("allowed to every process");
        let limit = getrlimit(Resource::Core);
        assert_eq!((limit.current, limit.maximum), (Some(0), Some(0)));
        assert_eq!(dumpable_behavior().expect("known"), DumpableBehavior::NotDumpable);
    }
}

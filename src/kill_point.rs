//! Places where a test may end the process, as `kill -9` or a loss of power would.
//!
//! A crash matters before and after each effect, and every effect is a request that passes one of two doors.
//! So the doors are the places, and no other code knows of them. The feature `kill-points` compiles them in;
//! without it the macro is nothing at all.
//!
//! `KILL_AT=vault.publish.after:2` ends the process when it reaches that point for the second time; `PANIC_AT` makes it
//! panic there, with the message in `PANIC_MESSAGE`; `KILL_POINTS=FILE` appends the name of each point that is reached
//! to a file.

/// Marks a place, as `kill_point!("vault", operation, "before")`.
macro_rules! kill_point {
    ($server:literal, $operation:expr, $moment:literal) => {
        #[cfg(feature = "kill-points")]
        $crate::kill_point::reach(&format!(concat!($server, ".{}.", $moment), $operation));
    };
}
pub(crate) use kill_point;

/// Records the point, and ends the process if it is the one.
#[cfg(feature = "kill-points")]
pub(crate) fn reach(point: &str) {
    use std::collections::HashMap;
    use std::io::Write;
    use std::sync::Mutex;

    static REACHED: Mutex<Option<HashMap<String, usize>>> = Mutex::new(None);

    #[expect(clippy::disallowed_methods, reason = "a test speaks to the process through its environment")]
    let (kill_at, file) = (std::env::var("KILL_AT").ok(), std::env::var_os("KILL_POINTS"));
    #[expect(clippy::disallowed_methods, reason = "the same")]
    let (panic_at, message) = (std::env::var("PANIC_AT").ok(), std::env::var("PANIC_MESSAGE").ok());
    let mut reached = REACHED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let times = reached.get_or_insert_default().entry(point.to_owned()).or_default();
    *times += 1;
    if let Some(mut file) =
        file.and_then(|file| std::fs::File::options().append(true).create(true).open(file).ok())
    {
        let _ = writeln!(file, "{point}:{times}");
    }
    let here = Some(format!("{point}:{times}"));
    drop(reached);
    if kill_at == here {
        std::process::abort();
    }
    if panic_at == here {
        panic!("{}", message.unwrap_or_default());
    }
}

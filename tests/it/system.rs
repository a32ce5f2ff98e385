//! The rotator as it is delivered: under a real systemd, from its Debian package, in its container.
//!
//! `make debian` fetches what they need, into the folder that `SYSTEM` names.

mod container;
mod machine;
mod package;
mod readme;
mod unit;

use std::path::PathBuf;

/// Something of what `make debian` has fetched.
fn prepared(name: &str) -> PathBuf {
    let folder = std::env::var_os("SYSTEM")
        .expect("SYSTEM names a folder that `make debian` has filled; `make test-system` does both");
    let path = PathBuf::from(folder).join(name);
    assert!(path.exists(), "{} is not there: run `make debian`", path.display());
    path
}

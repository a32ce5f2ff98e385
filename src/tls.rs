//! The one cryptography of the program.
//!
//! Both clients speak TLS through rustls, which asks the process for a provider when the first client is
//! built. It is ring: it needs no cmake and no C beyond its own, and one provider for both servers means
//! one set of algorithms to reason about.

/// Makes ring the provider of this process. Every constructor of a client calls it, so that no binary
/// and no test has to remember; a second call changes nothing.
pub fn install_provider() {
    // It fails only when a provider is already installed, which is what is wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Random bytes that nobody can foresee, from the system by way of the same provider.
///
/// # Panics
///
/// If the system has none to give, which ring says to be impossible on the platforms that it supports.
#[expect(clippy::expect_used, reason = "a password without randomness is worse than no process")]
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let random = rustls::crypto::ring::default_provider().secure_random;
    random.fill(&mut bytes).expect("the system gives random bytes");
    bytes
}

//! Keeps the API keys of Exceptionless projects fresh in HashiCorp Vault or OpenBao.
//!
//! On a schedule the rotator enumerates the projects of an Exceptionless server, mints a client key for
//! each, publishes it to a KV version 2 secret, keeps the old key working for an overlap, and then revokes
//! it. Applications only ever read Vault.
//!
//! # The promise
//!
//! 1. At every moment the key in the current version of a secret works at Exceptionless.
//! 2. A published key keeps working for at least the overlap after it was replaced. An emergency
//!    revocation, asked for by a person, is the only exception.
//! 3. Nothing that the rotator did not create is ever revoked or overwritten. `retire-unmanaged`, asked for by a
//!    person, is the only exception (`engine/retire/unmanaged.rs`).
//! 4. After a crash at any instruction the next pass converges: no lost key, no orphan, no manual step.
//! 5. No key, password or token is ever printed.
//! 6. One project's failure never stops another's rotation.
//!
//! # Where is what
//!
//! Imports run downward only, and a test holds them to it.
//!
//! ```text
//!   cli                    one file per command; the composition root
//!    └ daemon              the reconcile loop, signals, the clockwork, telemetry, and what others see of it
//!       └ engine           one pass: observe, plan, execute; the only writer
//!          ├ exceptionless the client of Exceptionless: login, listings, keys, the request budget
//!          ├ vault         the store: read, check-and-set, marks, login and renewal
//!          ├ plan          the pure planner: every decision with its reason
//!          └ config        from what the operator wrote to what may be relied on
//!             └ domain     the nouns: keys, ids, markers, paths, schedules, secrets, leases
//!
//!   tls                    the one provider of cryptography and of chance
//!   jitter                 a little randomness, against herds
//!   traffic                what was sent to the servers, counted where it is sent
//!   process                no core dump, no secret in a panic or in freed memory
//!   kill_point             where the tests of crashes end the process; nothing in a release
//! ```
//!
//! Follow a key: [`engine`]'s attempt (`engine/attempt.rs`) mints it, checks to what it is bound, verifies that
//! it works, and publishes it; [`plan::publication`] says what is written beside it; [`plan::retire`] says when
//! it may die; and the one place that revokes it when its time is over is `engine/retire.rs`. Where revocation has
//! two stages, `engine/undo.rs` brings a key back from the first. A project that gets another path leaves a secret
//! behind, and `engine/moved.rs` sees to that one's end.
//!
//! That is safe because of what [`plan::retire::may_revoke`] asks directly before the request, of the secret as
//! it was just read: it publishes another key than this one, which this pass has seen alive; it lists this one as
//! retiring; and the overlap has passed since, judged by the earliest of three clocks, where `since` was dated by
//! the latest. A crash or a lost race leaves one of these untrue, and then the key lives on until a later pass.
//! (In the emergency that a person asks for, the overlap and the list are waived. A key that the server bound to
//! something else than asked for never comes so far: nobody may adopt it, and its attempt revokes it at once.)
//!
//! Our own password is changed by `engine/credential.rs`, step by step as [`plan::credential`] says.
//!
//! Of several replicas one runs the passes (`engine/lease.rs`). That saves work; nothing of the above depends on it.
//!
//! # Invariants, most of them absences
//!
//! - **No state of our own.** No database and no file. What a pass needs is in the notes of the keys at
//!   Exceptionless and in the secrets in Vault, so a crash loses nothing and a second replica agrees.
//! - **No clock below [`engine`].** Time is passed in. What protects a key is dated by the latest of three
//!   clocks and judged by the earliest ([`domain::clocks`]).
//! - **No write to a secret's data without a check-and-set,** and none when nothing changed. Marks in the
//!   metadata are patched, each by its name. At Exceptionless, which has no check-and-set, nothing is written to a key but
//!   that it is disabled or enabled (`engine/retire/disable.rs` says why that is safe).
//! - **No clean-up on failure.** A key that was minted and not published stays, with our marker in its
//!   notes; a later pass adopts it or lists it for retirement.
//! - **No secret without a type.** An [`ApiKey`](domain::key::ApiKey) prints as its fingerprint; passwords
//!   and tokens are `SecretString`s; response bodies and URLs with keys end at the doors of the clients.

pub mod cli;
pub mod config;
pub mod daemon;
pub mod domain;
pub mod engine;
pub mod exceptionless;
mod jitter;
mod kill_point;
pub mod plan;
pub mod process;
pub mod tls;
pub mod traffic;
pub mod vault;

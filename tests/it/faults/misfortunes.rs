//! What goes wrong: the columns of the matrix.

use std::time::Duration;

use exceptionless_emulator::Kind;

/// The product's time limit for a request in these tests is a second.
const TOO_LONG: Duration = Duration::from_millis(1500);

/// None of those that a key is made for.
const OTHER_PROJECT: &str = "64f0c0ffee000100000000ff";

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Misfortune {
    Refused,
    ResetBefore,
    ResetAfter,
    Silence,
    LateEffect,
    TooManyRequests,
    ErrorBefore,
    ErrorAfter,
    Starting,
    Page,
    CutJson,
    Huge,
    Drip,
    Redirect,
    ContentType,
    WrongProject,
}

pub const MISFORTUNES: [Misfortune; 16] = [
    Misfortune::Refused,
    Misfortune::ResetBefore,
    Misfortune::ResetAfter,
    Misfortune::Silence,
    Misfortune::LateEffect,
    Misfortune::TooManyRequests,
    Misfortune::ErrorBefore,
    Misfortune::ErrorAfter,
    Misfortune::Starting,
    Misfortune::Page,
    Misfortune::CutJson,
    Misfortune::Huge,
    Misfortune::Drip,
    Misfortune::Redirect,
    Misfortune::ContentType,
    Misfortune::WrongProject,
];

/// How the answer is spoiled, and whether the request has its effect all the same.
pub struct Spoiling {
    pub kind: Kind,
    pub applied: bool,
}

impl Misfortune {
    pub fn title(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::ResetBefore => "reset, not done",
            Self::ResetAfter => "reset, done",
            Self::Silence => "silence, done",
            Self::LateEffect => "silence, done later",
            Self::TooManyRequests => "429",
            Self::ErrorBefore => "500, not done",
            Self::ErrorAfter => "500, done",
            Self::Starting => "503, `Retry-After`",
            Self::Page => "web page",
            Self::CutJson => "cut JSON",
            Self::Huge => "50 MB",
            Self::Drip => "a byte a second",
            Self::Redirect => "redirect",
            Self::ContentType => "wrong type",
            Self::WrongProject => "wrong project",
        }
    }

    /// What a fault does; `None` for the connection that is refused, which is no answer. `elsewhere` is another
    /// host.
    pub fn spoiling(self, elsewhere: &str) -> Option<Spoiling> {
        let (kind, applied) = match self {
            Self::Refused => return None,
            Self::ResetBefore => (Kind::Drop, false),
            Self::ResetAfter => (Kind::Drop, true),
            Self::Silence => (Kind::Hang(TOO_LONG), true),
            Self::LateEffect => (Kind::Slow(TOO_LONG), false),
            Self::TooManyRequests => (Kind::TooManyRequests, false),
            Self::ErrorBefore => (Kind::Status(500), false),
            Self::ErrorAfter => (Kind::Status(500), true),
            Self::Starting => (Kind::Starting, false),
            Self::Page => (Kind::Html, false),
            Self::CutJson => (Kind::CutJson, true),
            Self::Huge => (Kind::HugeBody(50 << 20), true),
            Self::Drip => (Kind::Drip(Duration::from_secs(1)), true),
            Self::Redirect => (Kind::Redirect(elsewhere.to_owned()), false),
            Self::ContentType => (Kind::ContentType("text/html; charset=utf-8".to_owned()), true),
            Self::WrongProject => {
                let project_id = Some(OTHER_PROJECT.to_owned());
                (Kind::WrongProject { project_id, organization_id: None, scopes: None }, true)
            }
        };
        Some(Spoiling { kind, applied })
    }
}

//! What is repeated, told by how it failed.

use super::*;
use crate::vault::attempt::{Attempt, Said};

fn failures() -> Vec<(&'static str, VaultError)> {
    let attempt = || Attempt::new(Operation::Publish, "secret/data/a".to_owned());
    let address = || "https://vault.example:8200".to_owned();
    let said = || Said::new(&[], &[]);
    let throttled = |unheard| VaultError::Throttled {
        attempt: attempt(),
        address: address(),
        unheard,
        retry_after: None,
    };
    vec![
        ("quota", throttled(true)),
        ("429", throttled(false)),
        ("412", VaultError::Rejected { attempt: attempt(), status: 412, said: said() }),
        ("400", VaultError::Rejected { attempt: attempt(), status: 400, said: said() }),
        ("standby", VaultError::Standby { attempt: attempt(), address: address() }),
        ("sealed", VaultError::Sealed { attempt: attempt(), address: address() }),
        ("500", VaultError::Failing { attempt: attempt(), address: address(), status: 500, said: said() }),
        (
            "307",
            VaultError::Redirected { attempt: attempt(), address: address(), status: 307, to: String::new() },
        ),
        (
            "late answer",
            VaultError::TimedOut { attempt: attempt(), address: address(), after: Duration::ZERO },
        ),
        ("right", VaultError::Forbidden { attempt: attempt(), said: said() }),
        ("conflict", VaultError::Conflict { attempt: attempt() }),
    ]
}

fn repeated(operation: Operation) -> Vec<&'static str> {
    let patient =
        |error: &VaultError| Patience::new(operation, Duration::from_secs(15), None).pause(error).is_some();
    failures().into_iter().filter(|(_, error)| patient(error)).map(|(name, _)| name).collect()
}

#[tokio::test]
async fn what_asks_is_repeated_when_it_may_pass_and_what_writes_when_it_was_not_heard() {
    assert_eq!(repeated(Operation::Read), ["quota", "429", "412", "standby", "sealed", "500", "307"]);
    for operation in [Operation::Publish, Operation::Merge, Operation::Mark, Operation::HoldLease] {
        assert_eq!(repeated(operation), ["quota", "412"]);
    }
    assert_eq!(repeated(Operation::LogIn), ["quota"]);
    for (name, error) in failures() {
        assert!(!(error.was_unheard() && error.leaves_doubt()), "{name} is both certain and in doubt");
    }
}

#[tokio::test]
async fn patience_ends_with_its_attempts_with_the_deadline_and_with_what_vault_wants() {
    let (_, quota) = failures().swap_remove(0);
    let timeout = Duration::from_secs(15);
    let mut patience = Patience::new(Operation::Publish, timeout, None);
    let pauses = std::iter::from_fn(|| patience.pause(&quota)).count();
    assert_eq!(pauses, QUOTA_ATTEMPTS);
    let soon = Instant::now() + Duration::from_millis(100);
    let wants = |seconds| match quota.clone() {
        VaultError::Throttled { attempt, address, unheard, .. } => {
            let retry_after = Some(Duration::from_secs(seconds));
            VaultError::Throttled { attempt, address, unheard, retry_after }
        }
        other => other,
    };
    assert_eq!(Patience::new(Operation::Read, timeout, Some(soon)).pause(&wants(1)), None);
    assert_eq!(Patience::new(Operation::Read, timeout, None).pause(&wants(60)), None);
    assert_eq!(Patience::new(Operation::Read, timeout, None).pause(&wants(u64::MAX)), None);
    let pause = Patience::new(Operation::Publish, timeout, None).pause(&wants(3));
    assert!(pause.is_some_and(|pause| (3..4).contains(&pause.as_secs())), "{pause:?}");
}

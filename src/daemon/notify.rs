//! What systemd is told. Without systemd these calls do nothing; that it could not be told is no reason
//! to stop, so failures are only traced.

use sd_notify::NotifyState;

/// The daemon has started, or has read its configuration anew.
pub fn ready(status: &str) {
    send(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// The configuration is being read anew.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => send(&[NotifyState::Reloading, now]),
        Err(error) => tracing::debug!("no monotonic clock for systemd: {error}"),
    }
}

/// One line for `systemctl status`.
pub fn status(status: &str) {
    send(&[NotifyState::Status(status)]);
}

/// The loop lives, for `WatchdogSec=`. Without a watchdog systemd takes no notice.
pub fn alive() {
    send(&[NotifyState::Watchdog]);
}

/// The daemon is on its way out.
pub fn stopping() {
    send(&[NotifyState::Stopping]);
}

fn send(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!("systemd could not be told: {error}");
    }
}

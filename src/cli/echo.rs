//! Ctrl-C without its echo: the `^C` that a terminal writes would push the
//! progress lines out of their place.

use std::io::stderr;

use rustix::process::getpgrp;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr};

/// Control characters are not echoed while this lives.
#[derive(Debug)]
pub(super) struct ControlEchoOff(Option<Termios>);

impl ControlEchoOff {
    /// Does nothing without a terminal, and in the background, where changing
    /// it would stop this process.
    pub(super) fn new() -> Self {
        Self(turn_echo_off())
    }
}

fn turn_echo_off() -> Option<Termios> {
    let before = tcgetattr(stderr()).ok()?;
    if tcgetpgrp(stderr()).ok()? != getpgrp() {
        return None;
    }
    let mut without = before.clone();
    without.local_modes.remove(LocalModes::ECHOCTL);
    tcsetattr(stderr(), OptionalActions::Now, &without).ok()?;
    Some(before)
}

impl Drop for ControlEchoOff {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            // The terminal may be gone.
            tcsetattr(stderr(), OptionalActions::Now, before).unwrap_or_default();
        }
    }
}

//! An API call that failed, as a failed step with its remedy.

use crate::diag::{Advice, Exit, hl, say};
use crate::diag::{Cause, StepError};
use crate::pve::{Error, TlsProblem, Unreachable};

impl From<Error> for StepError {
    fn from(error: Error) -> Self {
        let cause = if matches!(error, Error::Cancelled) {
            Cause::Cancelled
        } else if error.is_transient() {
            Cause::Transient
        } else {
            Cause::Failed
        };
        let mut step = Self::new(error.to_string()).cause(cause);
        step.help = help(&error);
        if matches!(error, Error::Unwritable { .. }) {
            step = step.exit(Exit::CannotWrite);
        } else if matches!(error, Error::Settings(_)) {
            step = step.exit(Exit::Runway);
        }
        if let Error::Task { log, .. } = error {
            step = step.tail(log);
        }
        step
    }
}

/// What to do about it.
fn help(error: &Error) -> Vec<Advice> {
    match error {
        Error::Settings(bad) => bad.iter().map(|b| say(b.help.clone())).collect(),
        Error::Unreachable { endpoint, reason } => vec![say(unreachable(endpoint, reason))],
        Error::Tls {
            problem,
            fingerprint,
            ..
        } => tls(
            problem,
            fingerprint.map(|print| print.to_string()).as_deref(),
        )
        .iter()
        .map(Advice::from)
        .collect(),
        Error::Unauthorized { .. } => vec![
            "check `PM_TOKEN_ID` (`user@realm!name`) and `PM_TOKEN_SECRET`; the secret is shown once, when the token is made".into(),
            "on the node: `pveum user token list USER@REALM` lists tokens, `pveum user token add USER@REALM NAME --privsep 0` makes one".into(),
        ],
        Error::Forbidden { .. } => {
            vec![hl("l0-runway").say(" names every missing right and the commands that grant it")]
        }
        Error::Task {
            node, upid, status, ..
        } => {
            let whole = say("the whole log: ").on_node(node, format!("pvenode task log {upid}"));
            locked(status).into_iter().chain([whole]).collect()
        }
        Error::TaskTimeout { upid, .. } => {
            vec![say(format!("on the node: `pvenode task status {upid}` shows its progress"))]
        }
        Error::Answer { .. } => {
            vec!["check that `PVE_ACCESS_HOST` is a Proxmox VE host, version 8.2 or later".into()]
        }
        Error::Api {
            status: 595..=599, ..
        } => {
            vec!["the node that answers cannot reach another one of its cluster; on it: `pvecm status` shows which are there".into()]
        }
        Error::Api { message, .. } => locked(message).into_iter().collect(),
        Error::NotFound { .. } | Error::Unreadable { .. } | Error::Cancelled => Vec::new(),
        Error::Unwritable { help, .. } => help.clone(),
    }
}

/// What to do about a VM that something else holds.
fn locked(said: &str) -> Option<Advice> {
    said.contains("is locked").then(|| {
        "something else works on it, such as a backup; on the node: `qm list` and the tasks show what. Try again when it is over".into()
    })
}

fn unreachable(endpoint: &str, reason: &Unreachable) -> String {
    match reason {
        Unreachable::Refused => format!(
            "nothing listens on `{endpoint}`: is `PVE_ACCESS_HOST` right, port included, and does `systemctl status pveproxy` on the node say `active`?"
        ),
        Unreachable::UnknownHost => {
            "correct the host in `PVE_ACCESS_HOST`, or use its address".to_owned()
        }
        Unreachable::Timeout | Unreachable::Other(_) => format!(
            "is the node up, and does a firewall or a VPN stand between here and `{endpoint}`?"
        ),
    }
}

fn tls(problem: &TlsProblem, fingerprint: Option<&str>) -> Vec<String> {
    let pin = fingerprint.map(|print| {
        format!("compare it with the node's, then pin it in `.env`: `PVE_FINGERPRINT={print}`")
    });
    let show = "on the node: `openssl x509 -in /etc/pve/local/pve-ssl.pem -noout -fingerprint -sha256` (a certificate of your own: `pveproxy-ssl.pem`)".to_owned();
    match problem {
        TlsProblem::UnknownIssuer => pin
            .into_iter()
            .chain([
                show,
                "or trust its authority: copy `/etc/pve/pve-root-ca.pem` from the node, and set `PVE_CA_FILE` to that file".to_owned(),
            ])
            .collect(),
        TlsProblem::NotThePinned { .. } => pin
            .into_iter()
            .chain([
                show,
                "a certificate that you did not change may belong to another machine".to_owned(),
            ])
            .collect(),
        TlsProblem::WrongName { presented } => vec![match presented.first() {
            Some(first) => format!("set `PVE_ACCESS_HOST` to a name it is for, e.g. `{first}`"),
            None => "renew it with a name: `pvecm updatecerts --force` on the node".to_owned(),
        }],
        TlsProblem::Expired => vec![
            "renew it on the node: `pvecm updatecerts --force`, then `systemctl restart pveproxy`"
                .to_owned(),
        ],
        TlsProblem::NotYetValid => {
            vec!["compare the clocks: `date -u` here and on the node".to_owned()]
        }
        TlsProblem::Protocol(_) => {
            vec!["check the port in `PVE_ACCESS_HOST`; the API is served over https on 8006".to_owned()]
        }
        TlsProblem::Other(_) => pin.into_iter().collect(),
    }
}

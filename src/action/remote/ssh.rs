//! OpenSSH with the lab's own `known_hosts` and key.

use camino::{Utf8Path, Utf8PathBuf};

use crate::action::{Captured, ChildSpec};
use crate::base::quoted;
use crate::diag::{Cause, Exit, StepError};

/// The exit code of ssh for what is its own trouble.
const SSH_FAILED: i32 = 255;
/// The port of an SSH server, where no other is named.
const PORT: u16 = 22;

/// How a machine is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::action) struct Ssh {
    /// Who logs in.
    pub(in crate::action) user: String,
    /// Name or address.
    pub(in crate::action) address: String,
    /// The port of its SSH server.
    pub(in crate::action) port: u16,
    /// The lab's file of host keys.
    pub(in crate::action) known_hosts: Utf8PathBuf,
    /// The lab's private key; without one the agent and OpenSSH's defaults.
    pub(in crate::action) identity: Option<Utf8PathBuf>,
    /// A host key is learnt at first contact. One that is known counts always.
    pub(in crate::action) learns: bool,
}

impl Ssh {
    /// `ssh` that runs a POSIX script there. With `ends` it is sent a hangup when this
    /// side ends.
    pub(super) fn script(&self, script: &str, ends: bool) -> ChildSpec {
        let mut args = self.options();
        args.push(if ends { "-tt" } else { "-T" }.to_owned());
        args.push("--".to_owned());
        args.push(self.target());
        args.push(format!("sh -c {}", quoted(script)));
        ChildSpec::new("ssh", args)
    }

    /// `sftp` that does what a file says, and stops at the first failure.
    pub(in crate::action) fn batch(&self, file: &Utf8Path) -> ChildSpec {
        let mut args = self.options();
        args.extend(["-b".to_owned(), file.to_string(), "--".to_owned()]);
        args.push(if self.address.contains(':') {
            format!("{}@[{}]", self.user, self.address)
        } else {
            self.target()
        });
        ChildSpec::new("sftp", args)
    }

    /// What stands in front of a command for the machine, as it is typed: with the
    /// lab's host keys and its key.
    pub(in crate::action) fn as_typed(&self) -> Vec<String> {
        let known = format!("UserKnownHostsFile={}", self.known_hosts);
        let mut words = vec!["ssh".to_owned(), "-o".to_owned(), known];
        if self.port != PORT {
            words.extend(["-p".to_owned(), self.port.to_string()]);
        }
        if let Some(identity) = &self.identity {
            words.extend(["-i".to_owned(), identity.to_string()]);
        }
        words.push(self.target());
        words
    }

    /// `sudo` in front of a command, where it is needed.
    pub(in crate::action) fn sudo(&self) -> &'static str {
        if self.user == "root" { "" } else { "sudo -n " }
    }

    fn target(&self) -> String {
        format!("{}@{}", self.user, self.address)
    }

    fn options(&self) -> Vec<String> {
        let checking = if self.learns { "accept-new" } else { "yes" };
        let options = [
            "BatchMode=yes".to_owned(),
            "ConnectTimeout=10".to_owned(),
            format!("StrictHostKeyChecking={checking}"),
            format!("UserKnownHostsFile={}", self.known_hosts),
            // A line a key, names readable: as the lab keeps it.
            "HashKnownHosts=no".to_owned(),
            "UpdateHostKeys=no".to_owned(),
            "ServerAliveInterval=15".to_owned(),
            "ServerAliveCountMax=4".to_owned(),
            "ControlPath=none".to_owned(),
        ];
        let mut args: Vec<String> = options
            .into_iter()
            .flat_map(|option| ["-o".to_owned(), option])
            .collect();
        if self.port != PORT {
            args.extend(["-o".to_owned(), format!("Port={}", self.port)]);
        }
        if let Some(identity) = &self.identity {
            args.extend(["-i".to_owned(), identity.to_string()]);
            args.extend(["-o".to_owned(), "IdentitiesOnly=yes".to_owned()]);
        }
        args
    }

    /// As `known_hosts` names it.
    fn known_as(&self) -> String {
        match self.port {
            PORT => self.address.clone(),
            port => format!("'[{}]:{port}'", self.address),
        }
    }

    /// `-p PORT `, where a command needs it.
    fn port_flag(&self) -> String {
        match self.port {
            PORT => String::new(),
            port => format!("-p {port} "),
        }
    }

    /// Why ssh itself did not get there, if it did not.
    pub(in crate::action) fn failed(&self, said: &Captured) -> Option<StepError> {
        if said.code != SSH_FAILED {
            return None;
        }
        let (address, known) = (&self.address, &self.known_hosts);
        let text = said.stderr.trim();
        if text.contains("REMOTE HOST IDENTIFICATION HAS CHANGED") {
            let message = format!("the host key of `{address}` is not the recorded one");
            return Some(
                StepError::new(message)
                    .exit(Exit::Runway)
                    .help(format!("`ssh-keygen -R {} -f {known}`, if the machine was made anew; then it is not known", self.known_as()))
                    .help("if it was not, something else answers at its address: find out what before you go on"),
            );
        }
        if text.contains("Host key verification failed") || text.contains("host key is known") {
            let message = format!("the host key of `{address}` is not known");
            return Some(StepError::new(message).exit(Exit::Runway).help(format!(
                "`ssh-keyscan {}-t ed25519 {address} >> {known}`, and compare the key with the machine's own",
                self.port_flag()
            )));
        }
        if text.contains("Permission denied") {
            let message = format!("`{address}` does not let `{}` in", self.user);
            let copy = match &self.identity {
                Some(key) => format!(
                    "`ssh-copy-id {}-i {key} {}`",
                    self.port_flag(),
                    self.target()
                ),
                None => format!("`ssh-copy-id {}{}`", self.port_flag(), self.target()),
            };
            return Some(StepError::new(message).exit(Exit::Runway).help(copy));
        }
        let last = text.lines().rev().find(|line| !line.trim().is_empty());
        let why = last.unwrap_or("no reason given").trim().to_owned();
        Some(
            StepError::new(format!("`{address}` cannot be reached over ssh: {why}"))
                .exit(Exit::Runway)
                .cause(Cause::Transient)
                .help(format!(
                    "`ssh {}{} true` must work without a question",
                    self.port_flag(),
                    self.target()
                )),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ssh() -> Ssh {
        Ssh {
            user: "ops".to_owned(),
            address: "192.0.2.1".to_owned(),
            port: PORT,
            known_hosts: "/lab/state/known_hosts".into(),
            identity: None,
            learns: true,
        }
    }

    fn failed(stderr: &str) -> String {
        let said = Captured {
            code: 255,
            stdout: Vec::new(),
            stderr: stderr.to_owned(),
        };
        ssh().failed(&said).unwrap().message
    }

    #[test]
    fn host_keys_are_always_checked() {
        for learns in [true, false] {
            let child = Ssh { learns, ..ssh() }.script("echo 'x y'", false);
            let all = child.args.join(" ");
            assert!(all.contains("UserKnownHostsFile=/lab/state/known_hosts"));
            assert!(!all.contains("StrictHostKeyChecking=no") && !all.contains("/dev/null"));
            assert_eq!(all.contains("accept-new"), learns);
            assert_eq!(child.args.last().unwrap(), "sh -c 'echo '\\''x y'\\'''");
        }
    }

    #[test]
    fn another_port_is_in_commands_and_in_what_is_advised() {
        let other = Ssh {
            port: 2222,
            ..ssh()
        };
        let usual = ssh().script("true", false).args.join(" ");
        assert!(!usual.contains("Port="), "{usual}");
        for child in [other.script("true", false), other.batch("/b".into())] {
            let all = child.args.join(" ");
            assert!(all.contains("-o Port=2222"), "{all}");
        }
        assert!(other.as_typed().join(" ").contains("-p 2222"));
        let said = Captured {
            code: 255,
            stdout: Vec::new(),
            stderr: "REMOTE HOST IDENTIFICATION HAS CHANGED".to_owned(),
        };
        let error = other.failed(&said).unwrap();
        assert!(
            error.help[0].contains("-R '[192.0.2.1]:2222'"),
            "{:?}",
            error.help
        );
    }

    #[test]
    fn what_ssh_says_is_told_apart() {
        assert!(failed("WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!").contains("recorded"));
        assert!(failed("No ED25519 host key is known for x and you have requested strict checking.\nHost key verification failed.").contains("not known"));
        assert!(failed("ops@x: Permission denied (publickey).").contains("let `ops` in"));
        assert!(failed("ssh: connect to host x port 22: Connection refused").contains("refused"));
    }
}

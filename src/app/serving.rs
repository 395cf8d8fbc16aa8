//! What a controller is asked for, what it says when it has begun, and how other
//! processes of the user find it.

use std::fmt;
use std::fs;
use std::io;
use std::net::IpAddr;

use camino::{Utf8Path, Utf8PathBuf};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::caller::Caller;
use super::repo_token::RepoToken;
use crate::base::Process;
use crate::control::Place;
use crate::diag::Failure;
use crate::lab::trace::TraceOutput;
use crate::lab::write;

/// The port of a controller.
pub const PORT: u16 = 44443;

/// Runs a controller until a signal ends it; the second argument is what it is asked
/// for, the third is told once that it has begun.
pub type Serve = fn(
    &Caller,
    &ServeOptions,
    &mut dyn FnMut(&Started) -> Result<(), Failure>,
) -> Result<(), Failure>;

/// What a controller is asked for.
#[derive(Debug)]
pub struct ServeOptions {
    /// The address to listen on; a socket of systemd's comes before it.
    pub bind: IpAddr,
    /// The port to listen on; 0: any that is free.
    pub port: u16,
    /// What is shown to TLS clients.
    pub certificate: CertificateSource,
    /// What opens the repositories.
    pub repo_token: RepoToken,
    /// Where the known repositories lie.
    pub repos_dir: Option<Utf8PathBuf>,
    /// Repositories that are not served.
    pub exclude: Vec<String>,
    /// What is logged, and where to.
    pub log: Option<TraceOutput>,
}

/// Where the certificate comes from. Paths are absolute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CertificateSource {
    /// Made at each start.
    Ephemeral,
    /// Made once and kept in this directory; made anew when it expires or is for
    /// another host.
    Kept(Utf8PathBuf),
    /// These files.
    Files {
        /// The chain, PEM, the server's own certificate first.
        cert: Utf8PathBuf,
        /// Its private key, PEM.
        key: Utf8PathBuf,
    },
}

/// What a controller says when it has begun.
#[derive(Clone, Serialize, JsonSchema)]
pub struct Started {
    /// `hl.serve/1`
    pub schema: &'static str,
    /// How clients reach it.
    pub url: String,
    /// The port.
    pub port: u16,
    /// SHA-256 of its certificate.
    pub fingerprint: String,
    /// The specs that it knows.
    pub specs: Vec<String>,
    /// The repositories that it serves.
    pub repos: Vec<String>,
    /// Those that it serves, or refuses, when they are prepared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub preparing: Vec<String>,
    /// Those that it does not, each with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<RefusedRepo>,
    /// What opens the repositories, where it was made at this start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repo_token: Option<String>,
}

/// A repository that is not served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RefusedRepo {
    /// Its name.
    pub name: String,
    /// Why.
    pub why: String,
}

impl fmt::Debug for Started {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Started")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// A controller that runs, as other processes of the user are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// How it is reached on this machine.
    pub url: String,
    /// SHA-256 of its certificate.
    pub fingerprint: String,
    /// Its process.
    pub process: Process,
}

/// The file that tells of a running controller; removed when this is dropped.
#[derive(Debug)]
pub struct RunningFile(Utf8PathBuf);

impl RunningFile {
    /// For the controller at this port. Nothing is written yet.
    ///
    /// # Errors
    /// There is no place for it.
    pub fn at(caller: &Caller, port: u16) -> io::Result<Self> {
        Ok(Self(place(caller, port, "json").make()?.to_owned()))
    }

    /// Tells other processes of the user. Only they may read it.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, running: &Running) -> io::Result<()> {
        let text = serde_json::to_vec(running)?;
        write(&self.0, text, 0o600).map_err(io::Error::other)
    }
}

impl Running {
    /// The one at this port, if it runs.
    pub fn find(caller: &Caller, port: u16) -> Option<Self> {
        let place = place(caller, port, "json");
        let mut found = place.found().filter_map(Self::read);
        found.find(|running| running.process.is_alive())
    }

    fn read(path: &Utf8Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(path).ok()?).ok()
    }
}

impl Drop for RunningFile {
    fn drop(&mut self) {
        // The next one at this port may have been started while this one drained. What
        // stays tells of a process that is gone, and counts for nothing.
        if Running::read(&self.0).is_some_and(|running| running.process == Process::this()) {
            fs::remove_file(&self.0).ok();
        }
    }
}

/// Where the socket is over which the controller at this port is asked for logins.
pub fn login_place(caller: &Caller, port: u16) -> Place {
    place(caller, port, "sock")
}

fn place(caller: &Caller, port: u16, ending: &str) -> Place {
    let name = format!("serve-{port}.{ending}");
    Place::named(&name, caller.var("XDG_RUNTIME_DIR"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_ends_leaves_the_file_of_the_next() {
        let guard = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(guard.path())
            .unwrap()
            .join("serve.json");
        let running = |process| Running {
            url: String::new(),
            fingerprint: String::new(),
            process,
        };
        let own = Process::this();
        let next = Process {
            start: own.start + 1,
            ..own
        };
        for (process, stays) in [(next, true), (own, false)] {
            let file = RunningFile(path.clone());
            file.write(&running(process)).unwrap();
            drop(file);
            assert_eq!(path.exists(), stays);
        }
    }
}

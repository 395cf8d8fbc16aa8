//! A machine's spec, asked of a controller and saved.

use std::fmt;
use std::fs;
use std::io;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use reqwest::Url;
use rustls_pki_types::CertificateDer;
use serde_json::Value;

use crate::base::sanitize;
use crate::diag::{Exit, Failure};
use crate::lab::write;
use crate::pve::{Error, Fingerprint, Policy, TlsProblem, https};

/// How long an answer may take.
const WITHIN: Duration = Duration::from_secs(30);

/// What is asked of which controller.
#[derive(Clone)]
pub struct SpecRequest {
    /// The controller: `https://HOST:PORT`, or `HOST:PORT`.
    pub server: String,
    /// Which spec.
    pub identity: String,
    /// What proves who asks.
    pub token: Option<String>,
    /// How the controller's certificate is judged.
    pub policy: Policy,
    /// Trusted beside the system's roots.
    pub authorities: Vec<CertificateDer<'static>>,
}

impl fmt::Debug for SpecRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpecRequest")
            .field("server", &self.server)
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

/// A spec as it came: JSON, which is YAML too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedSpec(String);

/// Asks for it.
///
/// # Errors
/// The request cannot be made, or the controller refuses it with 400 or 401 (1); it
/// refuses the spec with 422 (3); anything else (2).
pub fn fetch(request: &SpecRequest) -> Result<FetchedSpec, Failure> {
    let url = url(request)?;
    let answer = https::get(
        &url,
        request.token.as_deref(),
        request.policy,
        &request.authorities,
        WITHIN,
    )
    .map_err(|error| unreachable(&error))?;
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    let document = serde_json::from_str::<Value>(&text);
    if answer.status != 200 {
        return Err(refused(answer.status, document.ok().as_ref()));
    }
    if !document.is_ok_and(|document| document.is_object()) {
        let server = &request.server;
        let message = format!("`{server}` did not answer with a spec: is it a controller?");
        return Err(Failure::message(Exit::Child(2), message));
    }
    Ok(FetchedSpec(text))
}

impl FetchedSpec {
    /// Replaces the file in one step. What was in it stands beside it as `.prev`, unless
    /// it is the same. Whether it changed.
    ///
    /// # Errors
    /// It cannot be written (2).
    pub fn save(&self, file: &Utf8Path) -> Result<bool, Failure> {
        let unwritable = |mut failure: Failure| {
            failure.exit = Exit::Child(2);
            failure
        };
        match fs::read(file) {
            Ok(former) if former == self.0.as_bytes() => return Ok(false),
            Ok(former) => {
                write(&previous(file), former, 0o600).map_err(unwritable)?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                let message = format!("cannot read `{file}`: {error}");
                return Err(Failure::message(Exit::Child(2), message));
            }
        }
        write(file, &self.0, 0o600).map_err(unwritable)?;
        Ok(true)
    }
}

/// The file beside it that holds what was before.
fn previous(file: &Utf8Path) -> Utf8PathBuf {
    Utf8PathBuf::from(format!("{file}.prev"))
}

/// `https://HOST:PORT/spec/IDENTITY`.
fn url(request: &SpecRequest) -> Result<Url, Failure> {
    let server = request.server.as_str();
    let text = if server.contains("://") {
        server.to_owned()
    } else {
        format!("https://{server}")
    };
    let wrong = |why: &str| {
        Failure::message(
            Exit::Child(1),
            format!("cannot use the server `{server}`: {why}"),
        )
        .help("give it as `--server https://HOST:PORT`, or set `HOMESTAK_SPEC_SERVER`")
    };
    let mut url = Url::parse(&text).map_err(|error| wrong(&error.to_string()))?;
    if url.scheme() != "https" {
        return Err(wrong(
            "expected `https`: a spec is not asked for in clear text",
        ));
    }
    let identity = request.identity.as_str();
    if matches!(identity, "" | "." | "..") || identity.contains(['/', '\\']) {
        let message = format!("`{}` is not the name of a spec", sanitize(identity));
        return Err(Failure::message(Exit::Child(1), message)
            .help("give the name alone: `--identity NAME`, or set `HOMESTAK_IDENTITY`"));
    }
    url.path_segments_mut()
        .map_err(|()| wrong("it has no path"))?
        .pop_if_empty()
        .extend(["spec", identity]);
    Ok(url)
}

/// What the controller said, with the exit code of its status.
fn refused(status: u16, document: Option<&Value>) -> Failure {
    let error = document.and_then(|document| document.get("error"));
    let part = |name: &str| error?.get(name)?.as_str();
    let said = match (part("code"), part("message")) {
        (Some(code), Some(message)) => format!(": {code} {}", sanitize(message)),
        _ => String::new(),
    };
    let exit = Exit::Child(match status {
        400 | 401 => 1,
        422 => 3,
        _ => 2,
    });
    let failure = Failure::message(exit, format!("the controller answered {status}{said}"));
    match status {
        401 => failure.help("give the token: `HOMESTAK_AUTH_TOKEN`, or `--token`"),
        403 => failure.help("the token is another one than the site's secrets have"),
        404 => failure.help("`/specs` of the controller lists those that there are"),
        _ => failure,
    }
}

/// Why there is no answer.
fn unreachable(error: &Error) -> Failure {
    let failure = Failure::message(Exit::Child(2), format!("cannot ask: E501 {error}"));
    let Error::Tls {
        problem,
        fingerprint: Some(shown),
        ..
    } = error
    else {
        return failure;
    };
    failure.help(advice(problem, *shown))
}

fn advice(problem: &TlsProblem, shown: Fingerprint) -> String {
    if matches!(problem, TlsProblem::NotThePinned { .. }) {
        return format!(
            "it showed `{shown}`: compare it with what the controller printed when it started"
        );
    }
    format!(
        "if this is what the controller printed when it started, pin it: `--fingerprint {shown}`"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(server: &str, identity: &str) -> SpecRequest {
        SpecRequest {
            server: server.to_owned(),
            identity: identity.to_owned(),
            token: None,
            policy: Policy::Roots,
            authorities: Vec::new(),
        }
    }

    #[test]
    fn a_server_is_https_and_an_identity_is_no_path() {
        let made = |server, identity| url(&request(server, identity)).map(String::from);
        for server in ["https://c.lab:44443", "https://c.lab:44443/", "c.lab:44443"] {
            assert_eq!(
                made(server, "edge").unwrap(),
                "https://c.lab:44443/spec/edge"
            );
        }
        assert_eq!(made("c.lab", "a b").unwrap(), "https://c.lab/spec/a%20b");
        for (server, identity) in [
            ("http://c.lab", "edge"),
            ("https://", "edge"),
            ("c.lab", "../secrets"),
            ("c.lab", ".."),
            ("c.lab", ""),
        ] {
            assert_eq!(made(server, identity).unwrap_err().exit, Exit::Child(1));
        }
    }

    #[test]
    fn exit_codes_follow_the_status() {
        for (status, exit) in [(400, 1), (401, 1), (422, 3), (403, 2), (404, 2), (500, 2)] {
            assert_eq!(refused(status, None).exit, Exit::Child(exit), "{status}");
        }
        let said = serde_json::json!({"error": {"code": "E301", "message": "Invalid token\u{7}"}});
        let said = refused(403, Some(&said)).to_string();
        assert_eq!(said, "the controller answered 403: E301 Invalid token");
    }

    #[test]
    fn what_was_before_is_kept_beside() {
        let guard = tempfile::tempdir().unwrap();
        let file = Utf8Path::from_path(guard.path())
            .unwrap()
            .join("state/spec.yaml");
        let read = |file: &Utf8Path| fs::read_to_string(file).ok();
        let spec = |text: &str| FetchedSpec(text.to_owned());
        assert!(spec("one").save(&file).unwrap());
        assert_eq!(read(&previous(&file)), None);
        assert!(!spec("one").save(&file).unwrap());
        assert_eq!(read(&previous(&file)), None);
        assert!(spec("two").save(&file).unwrap());
        assert_eq!(read(&file).as_deref(), Some("two"));
        assert_eq!(read(&previous(&file)).as_deref(), Some("one"));
    }
}

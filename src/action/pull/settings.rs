//! What a machine is told of its controller and its posture, and the digest by which it
//! says that it applied all of it.

use std::fs;

use camino::Utf8Path;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::action;
use crate::action::StepContext;
use crate::base::hex;
use crate::diag::{Diagnostic, Exit, Failure, StepError};
use crate::lab::{Lab, controller};
use crate::pve::Fingerprint;
use crate::site::resolve::{Method, SpecError};
use crate::site::secrets::{Secret, Secrets};
use crate::site::{self, Tree};

/// `settings.json` on the machine. It holds no secret.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Settings {
    /// `https://HOST:PORT`
    server: String,
    /// The name of its spec.
    identity: String,
    /// SHA-256 of the controller's certificate, 64 digits.
    fingerprint: String,
    /// Its own name, where its spec says none.
    name: String,
    /// The user that cloud-init made.
    admin: String,
    /// The settings of its posture, as `v2/postures/` has them.
    posture: Value,
}

/// What a machine needs to become what its spec says.
pub(super) struct Pull {
    /// The text of `settings.json`.
    pub(super) settings: String,
    /// What proves who it is, where its posture wants that.
    pub(super) token: Option<Secret>,
    /// What its `applied` holds when all of it was applied.
    pub(super) digest: String,
}

impl std::fmt::Debug for Pull {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pull")
            .field("settings", &self.settings)
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}

/// For the machine of that name with that spec.
///
/// # Errors
/// The controller's certificate is not kept, the site names no controller, or there is
/// no token for the machine (65, all of them); the spec is invalid (65).
pub(super) fn pull(ctx: &StepContext<'_>, name: &str, spec: &str) -> Result<Pull, StepError> {
    let tree = action::site::tree(ctx.lab);
    let loaded = action::site::secrets(ctx, &tree)?;
    let secrets = loaded.as_ref().map(|loaded| &loaded.secrets);
    let whole = |error: SpecError| StepError::from(error.failure);
    let resolved = tree.resolve_spec(spec, secrets).map_err(whole)?;
    let method = tree.spec_method(spec).map_err(whole)?;
    let posture = tree.spec_posture(spec).map_err(whole)?;
    let mut findings = Vec::new();
    let server = site::spec_server(&tree).filter(|server| server.starts_with("https://"));
    if server.is_none() {
        findings.push(no_server(&tree));
    }
    let fingerprint = match fingerprint(ctx.lab) {
        Ok(fingerprint) => fingerprint,
        Err(finding) => {
            findings.push(*finding);
            String::new()
        }
    };
    let token = match token(&tree, secrets, method, spec) {
        Ok(token) => token,
        Err(finding) => {
            findings.push(*finding);
            None
        }
    };
    if !findings.is_empty() {
        return Err(Failure::many(Exit::Definition, findings).into());
    }
    let settings = Settings {
        server: server.unwrap_or_default(),
        identity: spec.to_owned(),
        fingerprint,
        name: name.to_owned(),
        admin: ctx.lab.config.ssh.user.clone(),
        posture,
    };
    let bug = |error: serde_json::Error| StepError::new(error.to_string()).exit(Exit::Bug);
    let settings = serde_json::to_string_pretty(&settings).map_err(bug)? + "\n";
    let body = resolved.document().map_err(bug)?;
    Ok(Pull {
        digest: digest(&settings, &body),
        settings,
        token,
    })
}

/// As `apply.py` makes it: of the digests of both.
fn digest(settings: &str, body: &str) -> String {
    let mut whole = Sha256::new();
    whole.update(Sha256::digest(settings));
    whole.update(Sha256::digest(body));
    hex(&whole.finalize())
}

/// Why no machine of the lab could ask for its spec, as far as its own files tell.
/// Nothing where all is well.
pub fn pull_findings(lab: &Lab, tree: &Tree) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    if !site::spec_server(tree).is_some_and(|server| server.starts_with("https://")) {
        findings.push(no_server(tree));
    }
    // The controller of a rehearsal makes its own when it starts.
    let comes = lab.paths.is_rehearsal() && controller::certificate(lab).is_some();
    if !comes && let Err(finding) = fingerprint(lab) {
        findings.push(*finding);
    }
    findings
}

pub(in crate::action) fn no_server(tree: &Tree) -> Diagnostic {
    let file = tree.root().join("site.yaml");
    Diagnostic::error("no controller is named that machines could ask for their spec").help(
        format!("write `spec_server: https://ADDRESS:44443` below `defaults` in `{file}`"),
    )
}

/// SHA-256 of the certificate that the controller shows.
pub(in crate::action) fn fingerprint(lab: &Lab) -> Result<String, Box<Diagnostic>> {
    let Some(file) = controller::certificate(lab) else {
        return Err(Diagnostic::error(
            "the controller's certificate is not kept: a machine would know it only until the controller's next start",
        )
        .help("write `cert_dir = \"state/serve\"` in `[serve]` of `hl.toml`, and start the controller: `hl serve`")
        .help("or name the one that it is started with: `certificate = \"FILE\"`")
        .into());
    };
    let shown = lab.paths.show(&file);
    read(&file).map_err(|why| {
        Diagnostic::error(format!(
            "the controller's certificate `{shown}` cannot be read: {why}"
        ))
        .help("start the controller, which makes it: `hl serve`")
        .into()
    })
}

fn read(file: &Utf8Path) -> Result<String, String> {
    let bytes = fs::read(file).map_err(|error| error.to_string())?;
    let own = CertificateDer::from_pem_slice(&bytes)
        .map_err(|_| "there is no certificate in it".to_owned())?;
    let plain = Fingerprint::of(&own).to_string().replace(':', "");
    Ok(plain.to_ascii_lowercase())
}

/// What proves who the machine of a spec is.
fn token(
    tree: &Tree,
    secrets: Option<&Secrets>,
    method: Method,
    spec: &str,
) -> Result<Option<Secret>, Box<Diagnostic>> {
    let (key, token) = match method {
        Method::Network => return Ok(None),
        Method::SiteToken => (
            "auth.site_token".to_owned(),
            secrets.and_then(|secrets| secrets.site_token.as_ref()),
        ),
        Method::NodeToken => (
            format!("auth.node_tokens.{spec}"),
            secrets.and_then(|secrets| secrets.node_tokens.get(spec)),
        ),
    };
    if let Some(token) = token.filter(|token| !token.reveal().is_empty()) {
        return Ok(Some(token.clone()));
    }
    let file = tree.root().join("secrets.yaml");
    Err(Diagnostic::error(format!(
        "there is no `{key}` in `{file}`, with which the machine of spec `{spec}` proves who it is"
    ))
    .help("add it: `hl site secrets edit`")
    .into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::{Config, Paths};

    #[test]
    fn the_digest_is_that_of_the_program_on_the_machine() {
        // `digest("{}\n", b"spec\n")` of apply.py.
        assert_eq!(
            digest("{}\n", "spec\n"),
            "ebccd2397c215d8b92ad8cfc7c388c3996d9fde03ba1e207643b73f6cc53cbf7"
        );
        assert_ne!(digest("{}\n", "spec\n"), digest("", "{}\nspec\n"));
    }

    #[test]
    fn a_certificate_that_nobody_keeps_is_a_finding() {
        let guard = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(guard.path()).unwrap();
        let mut lab = Lab {
            paths: Paths::live(root),
            config: Config::default(),
        };
        let told = fingerprint(&lab).unwrap_err();
        assert!(told.message.contains("is not kept"), "{told:?}");
        lab.config.serve.cert_dir = Some("keep".to_owned());
        let told = fingerprint(&lab).unwrap_err();
        assert!(told.message.contains("keep/controller.crt"), "{told:?}");
        let made = hl_sim::certs::with_authority(&["controller".to_owned()]).unwrap();
        fs::create_dir(root.join("keep")).unwrap();
        fs::write(root.join("keep/controller.crt"), &made.cert_pem).unwrap();
        let print = fingerprint(&lab).unwrap();
        assert_eq!(print.len(), 64);
        assert!(
            print
                .chars()
                .all(|c| c.is_ascii_hexdigit() && !c.is_ascii_uppercase())
        );
    }
}

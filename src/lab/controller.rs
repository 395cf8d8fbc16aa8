//! The certificate of the lab's controller, by which machines know it.

use camino::Utf8PathBuf;

use super::Lab;

/// The files of a directory in which a controller keeps its certificate.
pub const CERTIFICATE: &str = "controller.crt";
/// Its private key, beside it.
pub const KEY: &str = "controller.key";

/// The directory in which the controller keeps its certificate. In a rehearsal it is one
/// of its own: the private key of the real one stays out of it.
pub fn cert_dir(lab: &Lab) -> Option<Utf8PathBuf> {
    let settings = &lab.config.serve;
    if lab.paths.is_rehearsal() {
        let kept = settings.cert_dir.is_some() || settings.certificate.is_some();
        return kept.then(|| lab.paths.state().join("serve"));
    }
    let dir = settings.cert_dir.as_deref()?;
    Some(lab.paths.root().join(dir))
}

/// The certificate that the controller shows, where one is kept; it may not be made yet.
pub fn certificate(lab: &Lab) -> Option<Utf8PathBuf> {
    if let Some(dir) = cert_dir(lab) {
        return Some(dir.join(CERTIFICATE));
    }
    let file = lab.config.serve.certificate.as_deref()?;
    Some(lab.paths.root().join(file))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::{Config, Paths};

    #[test]
    fn a_kept_certificate_is_found_and_a_rehearsal_has_its_own() {
        let mut lab = Lab {
            paths: Paths::live("/lab"),
            config: Config::default(),
        };
        let at = |lab: &Lab| certificate(lab).map(Utf8PathBuf::into_string);
        assert_eq!(at(&lab), None);
        lab.config.serve.certificate = Some("/etc/ssl/c.pem".to_owned());
        assert_eq!(at(&lab).as_deref(), Some("/etc/ssl/c.pem"));
        lab.config.serve.cert_dir = Some("keep".to_owned());
        assert_eq!(at(&lab).as_deref(), Some("/lab/keep/controller.crt"));
        lab.paths = lab.paths.rehearsal();
        let own = "/lab/state/rehearsal/state/serve/controller.crt";
        assert_eq!(at(&lab).as_deref(), Some(own));
    }
}

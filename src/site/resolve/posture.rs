//! Postures: which one an environment or a spec has, and the token that its
//! machines prove themselves with. Nothing here fails open.

use std::sync::Arc;

use super::value::Traced;
use crate::diag::{Diagnostic, did_you_mean};
use crate::shape::Node;
use crate::site::kind::Kind;
use crate::site::secrets::Secrets;
use crate::site::tree::Loader;
use crate::site::yaml::Document;

/// The posture of those that name none.
pub(super) const DEFAULT: &str = "dev";

/// How a machine proves who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// By where it is.
    Network,
    /// One token for all.
    SiteToken,
    /// A token each.
    NodeToken,
}

/// A posture by name, and the place that names it.
#[derive(Clone)]
pub(super) struct Named<'d> {
    pub(super) name: String,
    /// The file and the value in it; without one it is the default or from the
    /// command line.
    pub(super) by: Option<(&'d Arc<Document>, &'d Node)>,
    /// Somebody named it, in a file or on the command line.
    pub(super) given: bool,
}

impl<'d> Named<'d> {
    /// What this value of a file names; absent: [`DEFAULT`]. `null` was told
    /// when the file was read.
    pub(super) fn in_file(document: &'d Arc<Document>, node: Option<&'d Node>) -> Self {
        let given = node.and_then(|node| Some((node, node.text()?)));
        match given {
            Some((node, name)) => Self {
                name: name.to_owned(),
                by: Some((document, node)),
                given: true,
            },
            None => Self {
                name: DEFAULT.to_owned(),
                by: None,
                given: false,
            },
        }
    }

    /// The name with where it is from.
    pub(super) fn traced(&self) -> Traced {
        match self.by {
            Some((document, node)) => Traced::of(document, node),
            None if self.given => Traced::given(super::Value::Text(self.name.clone())),
            None => Traced::default_text(&self.name),
        }
    }
}

/// The file of a posture. One that is not there is an error; only where nobody
/// names a posture and the site-config has none of the kind at all, there is
/// nothing to hold to.
pub(super) fn file(
    loader: &mut Loader<'_>,
    kind: Kind,
    posture: &Named<'_>,
) -> Option<Arc<Document>> {
    if loader.has(kind, &posture.name) {
        return loader.file(kind, &posture.name);
    }
    let name = &posture.name;
    if let Some((document, node)) = posture.by {
        loader.dangling(document, node, &[kind], name);
        return None;
    }
    let known = loader.tree.names(kind).unwrap_or_default();
    if !posture.given && known.is_empty() {
        return None;
    }
    let path = loader.tree.shown(kind, name);
    let mut error = Diagnostic::error(format!("there is no posture `{name}`: `{path}`"));
    if !posture.given {
        error = error.note("it is the posture of those that name none");
    }
    let help = did_you_mean(name, known.iter().map(String::as_str));
    let error = error.help(help.unwrap_or_else(|| format!("write `{path}`")));
    loader.errors.push(error);
    None
}

/// How machines of a posture prove themselves: `auth.method` of
/// `v2/postures/`, by default `network`. Nothing when that cannot be said; why
/// was told.
pub(super) fn method(loader: &mut Loader<'_>, posture: &Named<'_>) -> Option<Method> {
    let errors = loader.errors.len();
    let Some(document) = file(loader, Kind::SpecPosture, posture) else {
        return (loader.errors.len() == errors).then_some(Method::Network);
    };
    let method = document
        .root
        .get("auth")
        .and_then(|auth| auth.get("method"));
    match method.map(|node| (node.is_null(), node.text())) {
        None | Some((true, _) | (_, Some("network"))) => Some(Method::Network),
        Some((_, Some("site_token"))) => Some(Method::SiteToken),
        Some((_, Some("node_token"))) => Some(Method::NodeToken),
        // Told when the file was held against its table.
        Some(_) => None,
    }
}

/// What stands as `auth.method` of a posture that has none of the known ones.
pub(super) fn unknown_method(loader: &mut Loader<'_>, posture: &str) -> Option<String> {
    let document = loader.file(Kind::SpecPosture, posture)?;
    let method = document.root.get("auth")?.get("method")?;
    method.text().map(str::to_owned)
}

/// The token of a machine, empty where none is kept for it, with a warning.
pub(super) fn token(
    loader: &mut Loader<'_>,
    method: Method,
    machine: &str,
    secrets: Option<&Secrets>,
) -> Traced {
    let (token, key) = match method {
        Method::Network => return Traced::default_text(""),
        Method::SiteToken => (
            secrets.and_then(|secrets| secrets.site_token.as_ref()),
            "auth.site_token".to_owned(),
        ),
        Method::NodeToken => (
            secrets.and_then(|secrets| secrets.node_tokens.get(machine)),
            format!("auth.node_tokens.{machine}"),
        ),
    };
    if let (Some(secrets), None) = (secrets, token) {
        let file = &secrets.file;
        loader.warn(
            Diagnostic::warning(format!(
                "there is no `{key}` in `{file}`: the `auth_token` of `{machine}` is empty"
            ))
            .help("add it: `hl site secrets edit`"),
        );
    }
    Traced::secret(secrets, token)
}

//! What the names in a site-config stand for.

use crate::shape::{self, Referent};
use crate::site::kind::Kind;

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::site) enum Target {
    /// A file of this kind.
    File(Kind),
    /// One of `api_tokens` in `secrets.yaml`.
    ApiToken,
    /// One of `ssh_keys` in `secrets.yaml`, with `ssh_keys.` before it or without.
    SshKey,
}

/// A table of a site-config.
pub(in crate::site) type Record = shape::Record<Target>;
/// A key of one.
pub(super) type Key = shape::Key<Target>;
/// A value in one.
pub(super) type Shape = shape::Shape<Target>;
/// A name in a file.
pub(in crate::site) type Reference<'d> = shape::Reference<'d, Target>;

impl Referent for Target {
    fn never_null(self) -> Option<&'static str> {
        // Nothing instead of a posture would be a machine that proves nothing.
        match self {
            Self::File(Kind::Posture | Kind::SpecPosture) => Some("the name of a posture"),
            Self::File(_) | Self::ApiToken | Self::SshKey => None,
        }
    }

    fn pattern(self) -> &'static str {
        match self {
            Self::File(_) => r"^[^/\\]+$",
            Self::ApiToken | Self::SshKey => ".",
        }
    }
}

/// The name of a file of a kind.
pub(super) const fn name(kind: Kind) -> Shape {
    Shape::Name(Target::File(kind))
}

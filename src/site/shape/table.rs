//! The table of a file, and a file held against it.

use super::files::{ENV, FLAT_POSTURE, HOST, NODE, POSTURE, PRESET, SPEC, TEMPLATE};
use super::manifests::manifest;
use super::target::{Record, Target};
use crate::shape::{self, Checked, Format, Node};
use crate::site::kind::Kind;
use crate::site::yaml::Document;

/// The table of a kind of file; a manifest's depends on its version.
pub(in crate::site) fn of(kind: Kind, root: &Node) -> &'static Record {
    match kind {
        Kind::Env => &ENV,
        Kind::Posture => &FLAT_POSTURE,
        Kind::SpecPosture => &POSTURE,
        Kind::Template => &TEMPLATE,
        Kind::Preset | Kind::NodePreset => &PRESET,
        Kind::Node => &NODE,
        Kind::Host => &HOST,
        Kind::Spec => &SPEC,
        Kind::Manifest => manifest(root),
    }
}

/// Holds a document against a table, its faults as YAML among the errors.
/// `whole`: keys that are required are missed.
pub(in crate::site) fn check<'d>(
    document: &'d Document,
    record: &'static Record,
    whole: bool,
) -> Checked<'d, Target> {
    let root = &document.root;
    let mut found = shape::check(document.source(), Format::Yaml, root, record, whole);
    found.errors.extend(document.faults());
    found
}

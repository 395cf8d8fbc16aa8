//! Manifests: a graph of nodes (2), or levels in a row (1, or no version).

use super::files::VMID;
use super::forms::{MACHINE_NAME, MANIFEST_NAME};
use super::target::{Record, Shape, Target, name};
use crate::shape::{Node, Value, key, required, tables};
use crate::site::kind::Kind;

tables! {
    Target;

    /// A manifest with `nodes`.
    pub(super) static MANIFEST_V2 = "a manifest", Refused [
        required("schema_version", Shape::Integer(2, 2), "2"),
        required("name", Shape::Form(&MANIFEST_NAME), "Its name"),
        key("description", Shape::Text, "One line"),
        key("pattern", Shape::Choice(&["flat", "tiered"]), "flat: nodes side by side; tiered: nodes in nodes [flat]"),
        required("nodes", Shape::List(&Shape::Record(&NODE)), "At least one"),
        key("settings", Shape::Record(&SETTINGS), "How it is run"),
        key("execution", Shape::Record(&DEFAULT_MODE), "How specs are applied"),
    ];

    static NODE = "a node of a manifest", Refused [
        required("name", Shape::Form(&MACHINE_NAME), "Its name"),
        required("type", Shape::Choice(&["vm", "ct", "pve"]), "Virtual machine, container, or a Proxmox VE of its own"),
        key("spec", name(Kind::Spec), "File in v2/specs/"),
        key("preset", name(Kind::NodePreset), "File in v2/presets/ or vms/presets/"),
        key("image", Shape::Text, "What it is made from"),
        key("vmid", Shape::Integer(100, 999_999_999), "Its id"),
        key("disk", Shape::Integer(1, 131_072), "Disk in GB"),
        key("parent", Shape::Text, "The node it runs in; none: the target host"),
        key("execution", Shape::Record(&MODE), "How its spec is applied"),
    ];

    static MODE = "`execution`", Refused [
        key("mode", Shape::Choice(&["push", "pull"]), "push: from here; pull: it asks"),
    ];

    static DEFAULT_MODE = "`execution`", Refused [
        key("default_mode", Shape::Choice(&["push", "pull"]), "Of nodes that say nothing [push]"),
    ];

    static SETTINGS = "`settings`", Refused [
        key("verify_ssh", Shape::Bool, "Log in on what was made [true]"),
        key("cleanup_on_failure", Shape::Bool, "Remove what a failed test made [true]"),
        key("timeout_buffer", Shape::Integer(0, 86_400), "Seconds"),
        key("on_error", Shape::Choice(&["stop", "rollback", "continue"]), "When a node fails [stop]"),
    ];

    /// A manifest with `levels`.
    pub(super) static MANIFEST_V1 = "a manifest with levels", Refused [
        key("schema_version", Shape::Integer(1, 1), "1, or absent"),
        required("name", Shape::Form(&MANIFEST_NAME), "Its name"),
        key("description", Shape::Text, "One line"),
        required("levels", Shape::List(&Shape::Record(&LEVEL)), "At least one"),
        key("settings", Shape::Record(&SETTINGS), "How it is run"),
    ];

    static LEVEL = "a level", Refused [
        required("name", Shape::Form(&MACHINE_NAME), "Its name"),
        key("vm_preset", name(Kind::Preset), "File in vms/presets/"),
        key("template", name(Kind::Template), "File in vms/"),
        key("env", name(Kind::Env), "File in envs/"),
        key("vmid", VMID, "Its id"),
        key("image", Shape::Text, "What it is made from"),
        key("vmid_offset", Shape::Integer(0, 999_999_999), "Added to the ids of `env` [0]"),
        key("post_scenario", Shape::Text, "Scenario that runs in it"),
        key("post_scenario_args", Shape::List(&Shape::Text), "Its arguments"),
    ];
}

/// The table of a manifest: by its version, and without one by what it has.
pub(super) fn manifest(root: &Node) -> &'static Record {
    let version = root.get("schema_version").map(|node| &node.value);
    match version {
        Some(Value::Number(number)) if number.as_i64() == Some(1) => &MANIFEST_V1,
        None | Some(Value::Null) if root.get("nodes").is_none() => &MANIFEST_V1,
        _ => &MANIFEST_V2,
    }
}

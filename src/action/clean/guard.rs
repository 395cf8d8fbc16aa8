//! Paths that are never removed.

use std::path::{Component, Path};

use crate::legacy::is_legacy;

/// Why a path (relative to the lab) is never removed; `None` when it may be.
/// What lies below a protected directory is protected too.
pub fn protected(path: &Path) -> Option<&'static str> {
    let parts: Vec<&str> = path
        .components()
        .filter_map(|part| match part {
            Component::Normal(name) => name.to_str(),
            Component::Prefix(_)
            | Component::RootDir
            | Component::CurDir
            | Component::ParentDir => None,
        })
        .collect();
    match parts.as_slice() {
        ["state", "rehearsal", "lock"] => Some("the rehearsals' lock"),
        ["state", "rehearsal", ..] => None,
        [".git", ..] => Some("the repository"),
        ["hl.toml"] => Some("the lab's settings"),
        ["site", ..] => Some("site-config"),
        ["config", ..] => Some("settings"),
        ["layers", _, "layer.toml"] => Some("a definition"),
        [name] if *name == ".env" || name.starts_with(".env.") => Some("environment"),
        ["state", name] if extension(name) == Some("env") => Some("environment"),
        ["state", "legacy", ..] => Some("kept from an older layout"),
        ["state", name] if is_legacy(name) => Some("of an older tool, the next run takes it over"),
        ["state", "known_hosts"] => Some("host keys of virtual machines"),
        ["state", "lock"] => Some("the lab's lock"),
        ["templates", _, "image.lock"] => Some("the image that was fetched and verified"),
        _ => None,
    }
}

fn extension(name: &str) -> Option<&str> {
    name.rsplit_once('.').map(|(_, extension)| extension)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(".env", true)]
    #[case(".env.local", true)]
    #[case("env.example", false)]
    #[case("state/proxmox.env", true)]
    #[case("state/.env", true)]
    #[case("state/runs/latest.env", false)]
    #[case("state/legacy/deployment-state.yaml", true)]
    #[case("state/deployment-state.yaml", true)]
    #[case("state/cluster-x-events.yaml", true)]
    #[case("state/runtime.yaml", false)]
    #[case("state/rehearsal/state/known_hosts", false)]
    #[case("state/rehearsal/lock", true)]
    #[case("state/known_hosts", true)]
    #[case("site/envs/dev.yaml", true)]
    #[case("templates/debian-13/image.lock", true)]
    #[case("templates/debian-13/spec", false)]
    #[case("layers/l2-x/layer.toml", true)]
    #[case(".build/l2", false)]
    fn the_list(#[case] path: &str, #[case] is: bool) {
        assert_eq!(protected(Path::new(path)).is_some(), is, "{path}");
    }
}

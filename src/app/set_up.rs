//! What `hl` knows of nodes that it set up itself: the authority of their certificates,
//! and in a rehearsal all of them, as the site-config is only read there.

use std::collections::BTreeMap;

use super::nodes;
use crate::diag::Failure;
use crate::lab::{Environment, Paths, Provenance, Var};
use crate::site::Tree;
use crate::site::secrets::Vault;

/// The variables that say whom to trust.
const TRUST: [&str; 2] = ["PVE_CA_FILE", "PVE_FINGERPRINT"];

/// The environment with that. `variables` are those that `sops` is given.
pub(super) fn with_set_up(
    mut env: Environment,
    paths: &Paths,
    variables: &BTreeMap<String, String>,
) -> Result<Environment, Failure> {
    let mut own = Vec::new();
    if paths.is_rehearsal() && paths.own_site().is_dir() {
        let site = paths.own_site();
        let shown = paths.show(&site);
        let opened = Vault::new(&site, &shown, variables).load();
        let secrets = opened
            .as_ref()
            .map(|loaded| loaded.as_ref().map(|loaded| &loaded.secrets));
        let tree = Tree::new(site.clone(), shown.clone());
        for (name, vars) in nodes::of_rehearsal(&env, &tree, secrets)? {
            env.add_node(&name, &vars);
            own.push(name);
        }
    }
    let names: Vec<String> = env.nodes().map(str::to_owned).collect();
    for name in names {
        let file = paths.authority(&name);
        // The rehearsal's own trust is for its cluster.
        let is_told = !own.contains(&name) && TRUST.iter().any(|key| env.get(key).is_some());
        if is_told || !file.is_file() {
            continue;
        }
        let var = Var {
            value: file.to_string(),
            from: Provenance::Default,
            secret: false,
        };
        env.add_node(&name, &BTreeMap::from([("PVE_CA_FILE".to_owned(), var)]));
    }
    Ok(env)
}

//! One truth about the target: what variables say of it and what the node's
//! file in the site says must not contradict each other. Variables win, the
//! file fills what they leave open, `--node` picks the file.

use std::collections::{BTreeMap, BTreeSet};

use crate::diag::{Diagnostic, Exit, Failure, Place};
use crate::lab::environment::Nodes;
use crate::lab::{Environment, Provenance, Var};
use crate::pve::Endpoint;
use crate::site::resolve::{Origin, Traced, Value};
use crate::site::secrets::Secrets;
use crate::site::{Kind, Tree};

/// Names the node.
const NODE: &str = "PVE_NODE";

/// What a node's file says of it: as it is resolved, as it is written, and the
/// variable that says the same.
const KEYS: [(&str, &str, &str); 3] = [
    ("api_endpoint", "api_endpoint", "PVE_ACCESS_HOST"),
    ("node_name", "node", NODE),
    ("datastore", "datastore", "PVE_STORAGE_VM"),
];

/// The token's, both of one key.
const TOKEN: [&str; 2] = ["PM_TOKEN_ID", "PM_TOKEN_SECRET"];

/// What a file says.
struct NodeValue {
    /// The variable.
    name: &'static str,
    /// The key in the file.
    key: &'static str,
    var: Var,
    place: Option<Place>,
}

/// The secrets of a site, or why they cannot be had.
pub(super) type Opened<'s> = Result<Option<&'s Secrets>, &'s Failure>;

/// The environment with what the site says of each node. Inside a rehearsal
/// (`rehearsing`) the token is the rehearsal's on every node.
///
/// # Errors
/// The directory of nodes cannot be read. What is wrong with one node is told
/// when work on it is asked for.
pub(super) fn with_nodes(
    env: &Environment,
    tree: &Tree,
    secrets: Opened<'_>,
    rehearsing: bool,
) -> Result<Environment, Failure> {
    let names = tree.names(Kind::Node)?;
    let hidden: BTreeSet<String> = secrets
        .ok()
        .flatten()
        .into_iter()
        .flat_map(Secrets::values)
        .filter(|value| !value.is_empty())
        .map(str::to_owned)
        .collect();
    let plain: BTreeMap<String, Var> = env
        .iter()
        .map(|(name, var)| (name.to_owned(), var.clone()))
        .collect();
    let of: BTreeMap<_, _> = names
        .iter()
        .map(|name| {
            let vars = told(tree, name, secrets, &plain, rehearsing)
                .and_then(|told| overlay(&plain, &told, name));
            (name.clone(), vars)
        })
        .collect();
    // Without `--node` it is the one that `PVE_NODE` names, or the only one.
    let only = names.first().filter(|_| names.len() == 1);
    let picked = env.get(NODE).or(only.map(String::as_str));
    let picked = picked.map(str::to_owned);
    let unnamed = unnamed(&plain, picked.as_deref(), &of);
    Ok(Environment::new(plain).with_nodes(Nodes {
        of,
        picked,
        unnamed,
        hidden,
    }))
}

/// What differs where no node is named. `PVE_NODE` is the file's name there, which
/// `--node` has as its default; in the node's own it is the name that Proxmox VE
/// knows.
fn unnamed(
    plain: &BTreeMap<String, Var>,
    picked: Option<&str>,
    of: &BTreeMap<String, Result<BTreeMap<String, Var>, Failure>>,
) -> BTreeMap<String, Var> {
    let Some((name, overlay)) = picked.and_then(|name| Some((name, of.get(name)?))) else {
        return BTreeMap::new();
    };
    let mut overlay = overlay.clone().unwrap_or_default();
    let own = plain.get(NODE);
    let named = own.filter(|own| !own.value.is_empty());
    let named = named.or(overlay.get(NODE)).or(own);
    let var = Var {
        value: name.to_owned(),
        from: named.map_or(Provenance::Default, |var| var.from.clone()),
        secret: false,
    };
    overlay.insert(NODE.to_owned(), var);
    overlay
}

/// What differs on the nodes of a site that is a rehearsal's own. They are no part of
/// the simulated cluster: what variables say of its node and token is not theirs.
pub(super) fn of_rehearsal(
    env: &Environment,
    tree: &Tree,
    secrets: Opened<'_>,
) -> Result<BTreeMap<String, BTreeMap<String, Var>>, Failure> {
    let of_cluster = KEYS.map(|(_, _, name)| name);
    let plain: BTreeMap<String, Var> = env
        .plain()
        .filter(|(name, _)| !of_cluster.contains(name) && !TOKEN.contains(name))
        .map(|(name, var)| (name.to_owned(), var.clone()))
        .collect();
    let names = tree.names(Kind::Node)?;
    let each = names.into_iter().map(|name| {
        let vars = told(tree, &name, secrets, &plain, false)
            .and_then(|told| overlay(&plain, &told, &name))?;
        Ok((name, vars))
    });
    each.collect()
}

fn told(
    tree: &Tree,
    node: &str,
    secrets: Opened<'_>,
    plain: &BTreeMap<String, Var>,
    rehearsing: bool,
) -> Result<Vec<NodeValue>, Failure> {
    let known = secrets.unwrap_or_default();
    let host = tree.resolve_host(node, known)?.value;
    let mut all = Vec::new();
    for (resolved, key, name) in KEYS {
        let Some(traced) = host.get(resolved) else {
            continue;
        };
        if let (Some(text), Some(from)) = (traced.text(), provenance(&traced.origin))
            && !text.is_empty()
        {
            all.push(NodeValue {
                name,
                key,
                var: Var {
                    value: text.to_owned(),
                    from,
                    secret: false,
                },
                place: traced.origin.place(),
            });
        }
    }
    if rehearsing {
        return Ok(all);
    }
    match (host.get("api_token"), secrets) {
        (Some(token), Ok(_)) => all.extend(token_of(token)?),
        // It matters only where no variable gives the token.
        (_, Err(failure)) if TOKEN.iter().any(|name| set(plain, name).is_none()) => {
            return Err(failure.clone());
        }
        (None, Ok(_)) | (_, Err(_)) => {}
    }
    Ok(all)
}

/// `user@realm!name=value` as the two variables.
fn token_of(token: &Traced) -> Result<Vec<NodeValue>, Failure> {
    let (Value::Secret(secret), Some(from)) = (&token.value, provenance(&token.origin)) else {
        return Ok(Vec::new());
    };
    let text = secret.reveal();
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let Some((id, value)) = text.split_once('=') else {
        return Err(Failure::message(
            Exit::Definition,
            format!("the API token in {from} has no `=`"),
        )
        .help("write it as `USER@REALM!NAME=VALUE`, as `pveum user token add` prints it"));
    };
    let parts = [(TOKEN[0], id, false), (TOKEN[1], value, true)];
    Ok(parts
        .map(|(name, value, secret)| NodeValue {
            name,
            key: "api_token",
            var: Var {
                value: value.to_owned(),
                from: from.clone(),
                secret,
            },
            place: None,
        })
        .into())
}

/// Where a value is from, when a file gave it.
fn provenance(origin: &Origin) -> Option<Provenance> {
    Some(Provenance::File {
        path: origin.file()?.into_string(),
        line: origin.line()?,
    })
}

/// A variable that somebody set.
fn set<'v>(vars: &'v BTreeMap<String, Var>, name: &str) -> Option<&'v Var> {
    let var = vars.get(name)?;
    (!var.value.is_empty() && var.from != Provenance::Default).then_some(var)
}

/// The file's values for what the variables leave open.
fn overlay(
    plain: &BTreeMap<String, Var>,
    told: &[NodeValue],
    node: &str,
) -> Result<BTreeMap<String, Var>, Failure> {
    let mut vars = BTreeMap::new();
    let mut conflicts = Vec::new();
    for NodeValue {
        name,
        key,
        var,
        place,
    } in told
    {
        let own = set(plain, name);
        // `--node` picked another node than the variable names.
        let own = own.filter(|own| *name != NODE || own.value == node);
        match own {
            Some(own) if same(name, &own.value, &var.value) => {}
            Some(own) => conflicts.push(contradiction(name, own, key, var, place.clone(), node)),
            None => {
                vars.insert((*name).to_owned(), var.clone());
            }
        }
    }
    if conflicts.is_empty() {
        Ok(vars)
    } else {
        Err(Failure::many(Exit::Definition, conflicts))
    }
}

/// Whether two ways of saying it mean the same.
fn same(name: &str, one: &str, other: &str) -> bool {
    if name == "PVE_ACCESS_HOST"
        && let (Ok(one), Ok(other)) = (Endpoint::parse(one), Endpoint::parse(other))
    {
        return one.host().eq_ignore_ascii_case(other.host()) && one.port() == other.port();
    }
    one == other
}

fn contradiction(
    name: &str,
    own: &Var,
    key: &str,
    file: &Var,
    place: Option<Place>,
    node: &str,
) -> Diagnostic {
    let (here, there) = (&own.from, &file.from);
    let message = if file.secret || own.secret {
        format!("`{name}` ({here}) is another one than in `{key}` of node `{node}` ({there})")
    } else {
        format!(
            "`{name}` is `{}` ({here}), and `{key}` of node `{node}` says `{}` ({there})",
            own.value, file.value
        )
    };
    let mut found = Diagnostic::error(message).help(format!(
        "make them the same, or take one away: unset `{name}` to use the node's file"
    ));
    found.place = place;
    found
}

#[cfg(test)]
mod tests {
    use std::fs;

    use camino::Utf8Path;

    use super::*;

    struct World {
        _guard: tempfile::TempDir,
        tree: Tree,
        secrets: Secrets,
    }

    fn world(files: &[(&str, &str)]) -> World {
        let guard = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(guard.path()).unwrap().to_owned();
        for (name, text) in files {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let env = BTreeMap::new();
        let vault = crate::site::secrets::Vault::new(&root, Utf8Path::new("site"), &env);
        let secrets = vault.load().unwrap();
        World {
            tree: Tree::new(root.clone(), "site"),
            secrets: secrets.map(|loaded| loaded.secrets).unwrap_or_default(),
            _guard: guard,
        }
    }

    fn env(pairs: &[(&str, &str)]) -> Environment {
        let mut env = Environment::default();
        for (line, (name, value)) in pairs.iter().enumerate() {
            let var = Var {
                value: (*value).to_owned(),
                from: Provenance::File {
                    path: ".env".to_owned(),
                    line: line + 1,
                },
                secret: *name == "PM_TOKEN_SECRET",
            };
            env.set(*name, var);
        }
        env
    }

    const N1: (&str, &str) = (
        "nodes/n1.yaml",
        "node: pve1\napi_endpoint: https://192.0.2.11:8006\ndatastore: tank\n",
    );
    const N2: (&str, &str) = (
        "nodes/n2.yaml",
        "api_endpoint: https://192.0.2.12:8006\napi_token: other\ndatastore: pool\n",
    );
    const SECRETS: (&str, &str) = (
        "secrets.yaml",
        "api_tokens:\n  n1: root@pam!one=canary-1\n  other: root@pam!two=canary-2\n",
    );

    impl World {
        fn env(&self, pairs: &[(&str, &str)]) -> Environment {
            with_nodes(&env(pairs), &self.tree, Ok(Some(&self.secrets)), false).unwrap()
        }
    }

    fn on(env: &Environment, node: &str) -> Vec<String> {
        let env = env.for_node(Some(node)).unwrap();
        let names = [
            "PVE_NODE",
            "PVE_ACCESS_HOST",
            "PVE_STORAGE_VM",
            "PM_TOKEN_ID",
            "PM_TOKEN_SECRET",
        ];
        names
            .map(|name| env.get(name).unwrap_or("-").to_owned())
            .into()
    }

    #[test]
    fn a_nodes_file_fills_what_is_not_set() {
        let world = world(&[N1, N2, SECRETS]);
        let env = world.env(&[]);
        assert_eq!(
            on(&env, "n1"),
            [
                "pve1",
                "https://192.0.2.11:8006",
                "tank",
                "root@pam!one",
                "canary-1"
            ]
        );
        assert_eq!(
            on(&env, "n2"),
            [
                "n2",
                "https://192.0.2.12:8006",
                "pool",
                "root@pam!two",
                "canary-2"
            ]
        );
        // Of two, none is chosen.
        assert_eq!(env.get("PVE_ACCESS_HOST"), None);
        let secrets: Vec<&str> = env.secrets().collect();
        assert!(secrets.contains(&"canary-2") && secrets.contains(&"root@pam!one=canary-1"));
        let n1 = env.for_node(Some("n1")).unwrap();
        assert_eq!(
            n1.var("PVE_STORAGE_VM").unwrap().from.to_string(),
            "site/nodes/n1.yaml:3"
        );
        assert_eq!(
            n1.var("PM_TOKEN_SECRET").unwrap().from.to_string(),
            "site/secrets.yaml:2"
        );
    }

    #[test]
    fn the_only_node_is_the_node_and_a_variable_picks_one_of_several() {
        let one = world(&[N1, SECRETS]);
        let env = one.env(&[]);
        assert_eq!((env.get("PVE_NODE"), env.node()), (Some("n1"), Some("n1")));
        assert_eq!(env.get("PVE_STORAGE_VM"), Some("tank"));
        assert_eq!(on(&env, "n1")[0], "pve1");
        // One that is torn is still the one that is meant.
        let torn = one.env(&[("PVE_STORAGE_VM", "pool")]);
        assert_eq!(torn.get("PVE_NODE"), Some("n1"));
        assert!(torn.for_node(torn.node()).is_err());
        let two = world(&[N1, N2, SECRETS]);
        let env = two.env(&[("PVE_NODE", "n2")]);
        assert_eq!(env.get("PVE_STORAGE_VM"), Some("pool"));
        // What is typed wins over what is set.
        assert_eq!(on(&env, "n1")[0], "pve1");
        // A node without a file has only what is set.
        assert_eq!(on(&env, "n9"), ["n9", "-", "-", "-", "-"]);
    }

    #[test]
    fn two_truths_are_an_error_that_names_both_places() {
        let world = world(&[N1, N2, SECRETS]);
        let env = world.env(&[
            ("PVE_ACCESS_HOST", "192.0.2.11"),
            ("PVE_STORAGE_VM", "local-lvm"),
            ("PM_TOKEN_ID", "root@pam!one"),
            ("PM_TOKEN_SECRET", "canary-9"),
        ]);
        let failure = env.for_node(Some("n1")).unwrap_err();
        assert_eq!(failure.exit, Exit::Definition);
        let said: Vec<&str> = failure
            .diagnostics
            .iter()
            .map(|d| d.message.as_str())
            .collect();
        assert_eq!(
            said,
            [
                "`PVE_STORAGE_VM` is `local-lvm` (.env:2), and `datastore` of node `n1` says `tank` (site/nodes/n1.yaml:3)",
                "`PM_TOKEN_SECRET` (.env:4) is another one than in `api_token` of node `n1` (site/secrets.yaml:2)",
            ]
        );
        assert_eq!(env.for_node(Some("n2")).unwrap_err().diagnostics.len(), 4);
        let env = world.env(&[("PVE_NODE", "n1")]);
        let failure = env.for_node(Some("n1")).unwrap_err();
        assert!(
            failure
                .to_string()
                .contains("`node` of node `n1` says `pve1`"),
            "{failure}"
        );
    }

    #[test]
    fn secrets_that_cannot_be_opened_stop_only_who_needs_them() {
        let world = world(&[N1]);
        let closed = Failure::message(Exit::Runway, "no key");
        let known = [("PM_TOKEN_ID", "a@pam!b"), ("PM_TOKEN_SECRET", "canary")];
        let with = |pairs: &[(&str, &str)]| {
            with_nodes(&env(pairs), &world.tree, Err(&closed), false).unwrap()
        };
        assert_eq!(
            with(&[]).for_node(Some("n1")).unwrap_err().exit,
            Exit::Runway
        );
        assert_eq!(on(&with(&known), "n1")[3..], ["a@pam!b", "canary"]);
        // A rehearsal has a token of its own.
        let inside = with_nodes(&env(&known), &world.tree, Err(&closed), true).unwrap();
        assert_eq!(on(&inside, "n1")[2..], ["tank", "a@pam!b", "canary"]);
    }
}

//! The plan of a bootstrap.

use std::collections::{BTreeMap, BTreeSet};

use crate::diag::Failure;
use crate::lab::{Environment, Lock, Paths, kept_secret};
use crate::layers::Compiled;
use crate::platform::{
    Adapters, bootstrap, check_contexts, check_lock, is_torn, load, render, settle,
};
use crate::runs::PlatformRequest;

/// The plan, and the secrets that it lacks. What was rendered is checked first.
///
/// # Errors
/// The platform is wrong, or not as it was rendered, or a script would be told a secret
/// by its context (65); a newer `hl` rendered it (76).
pub(super) fn compile(
    paths: &Paths,
    env: &Environment,
    request: &PlatformRequest,
) -> Result<Compiled, Failure> {
    if is_torn(paths) {
        let _lock = Lock::take(paths, "hl platform")?;
        settle(paths)?;
    }
    let adapters = Adapters::load(paths)?;
    let platform = load(paths, &adapters)?;
    let rendered = render(&platform, &request.env)?;
    let lock = check_lock(paths, &rendered, &request.env)?;
    check_contexts(paths, env, &rendered)?;
    let bootstrap = bootstrap(&platform, &rendered, &lock)?;
    let mut missing: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, wanted) in bootstrap.secrets {
        let kept = || kept_secret(&paths.made_secrets(), &name);
        if env.get(&name).is_none() && kept()?.is_none() {
            missing.insert(name.clone(), wanted);
        }
    }
    Ok(Compiled {
        plan: bootstrap.plan,
        recipes: Vec::new(),
        missing,
        tools: bootstrap.tools,
    })
}

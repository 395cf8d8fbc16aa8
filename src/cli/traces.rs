//! What keeps a run beside its journal: the files that hand on, the console's
//! text, the reports.

use super::run::Job;
use super::session::Session;
use crate::diag::Failure;
use crate::handoff::{Identity, Publisher};
use crate::lab::{Environment, Redactor};
use crate::plan::{Listener, Plan};
use crate::pve::Endpoint;
use crate::report::{Console, Look, Paint, RunReport};

/// Listeners for a run that leaves traces. `flags` are those that change what
/// it does, `look` knows how to go on with it.
pub(super) fn listeners(
    session: &Session,
    job: &Job<'_>,
    plan: &Plan,
    redactor: &Redactor,
    flags: std::collections::BTreeMap<String, serde_json::Value>,
    look: &Look,
) -> Result<Vec<Box<dyn Listener>>, Failure> {
    let paths = &job.lab.paths;
    let identity = identity(job.env);
    let node = identity.node.clone();
    let handoffs = job.registry.handoffs(plan, job.dry_run);
    let reported = handoffs.clone();
    let dry_run = job.dry_run;
    let publisher = Publisher::new(paths, plan, dry_run, handoffs, identity, flags, redactor)?;
    if let Some(notice) = publisher.notice() {
        let verb = session.palette().verb(Paint::Warn, "Warning");
        session.note(format!("{verb} {notice}"));
    }
    Ok(vec![
        Box::new(publisher),
        Box::new(Console::new(paths, plan, look)),
        Box::new(RunReport::new(
            paths,
            plan,
            reported,
            node,
            look.resume.clone(),
            redactor,
        )),
    ])
}

/// The node that the environment names.
fn identity(env: &Environment) -> Identity {
    let endpoint = env.get("PVE_ACCESS_HOST").map(Endpoint::parse);
    Identity {
        // What it cannot be is said by whoever uses it.
        api_url: endpoint.and_then(Result::ok).map(|endpoint| endpoint.url()),
        node: env.get("PVE_NODE").map(str::to_owned),
        token_id: env.get("PM_TOKEN_ID").map(str::to_owned),
    }
}

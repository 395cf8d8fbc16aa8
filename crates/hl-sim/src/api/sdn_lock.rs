//! The lock of `/cluster/sdn`, of 9.0 and later: who holds its token changes the
//! configuration, and nobody else does.

use serde_json::{Value, json};

use crate::call::{Answer, Call};
use crate::error::{ApiError, bail};
use crate::fields;
use crate::kind::Kind::{Bool, Text};
use crate::params::{Param, opt};
use crate::route::{Route, route};
use crate::world::World;

/// The table that holds the token.
const TABLE: &str = "sdn/lock";

const RELEASE: &[Param] = &[opt("force", Bool), opt("lock-token", Text)];

pub(super) const ROUTES: &[Route] =
    &[route("DELETE", "cluster/sdn/lock", RELEASE, release).needs("/sdn", &["SDN.Allocate"])];

/// Refuses a caller who does not have the token of a lock.
pub(super) fn free(call: &Call<'_>, world: &World, failed: &str) -> Result<(), ApiError> {
    let held = world.table(TABLE).first();
    let held = held.map(|lock| fields::text(lock, "token"));
    if held.is_some() && held != call.params.text("lock-token") {
        bail!("{failed}: invalid lock token provided!");
    }
    Ok(())
}

/// Releases the lock of a caller who gave its token, if that is wanted. A node releases
/// none where nothing is said.
pub(super) fn let_go(call: &Call<'_>, world: &mut World) {
    if call.params.text("lock-token").is_some() && call.params.is_set("release-lock") {
        world.table_mut(TABLE).clear();
    }
}

/// Refuses calls that version 8 does not have.
pub(super) fn since_9(call: &Call<'_>) -> Result<(), ApiError> {
    match call.sim.world().profile.major {
        0..=8 => Err(ApiError::new(
            501,
            "Method not implemented before version 9",
        )),
        _ => Ok(()),
    }
}

/// Locks the configuration, which has changes that are not applied or has none; the
/// answer is the token.
pub(super) fn take(call: &Call<'_>, world: &mut World, pending: bool) -> Answer {
    let failed = "could not acquire lock for SDN config";
    free(call, world, failed)?;
    if pending && !call.params.is_set("allow-pending") {
        bail!("{failed}: configuration has pending changes");
    }
    let token = world.new_uuid();
    let fields = [("token".to_owned(), token.clone())].into();
    world.table_mut(TABLE).push(fields);
    Ok(json!(token))
}

fn release(call: &Call<'_>) -> Answer {
    since_9(call)?;
    call.sim.change(|world| {
        if !call.params.is_set("force") {
            free(call, world, "could not release lock")?;
        }
        world.table_mut(TABLE).clear();
        Ok(Value::Null)
    })
}

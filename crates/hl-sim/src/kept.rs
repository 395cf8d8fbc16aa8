//! Tables of a world that are kept as they are written.

use serde_json::{Map, Value, json};

use super::error::{ApiError, bail};
use super::fields::{self, Fields};
use super::params::Param;
use super::world::World;

impl World {
    /// What a table holds, in its order.
    pub(super) fn table(&self, name: &str) -> &[Fields] {
        self.kept.get(name).map_or(&[], Vec::as_slice)
    }

    /// The same, to change.
    pub(super) fn table_mut(&mut self, name: &str) -> &mut Vec<Fields> {
        self.kept.entry(name.to_owned()).or_default()
    }

    /// One of a table, whose `key` says `id`.
    pub(super) fn kept_one(&self, table: &str, key: &str, id: &str) -> Option<&Fields> {
        self.table(table).iter().find(|fields| is(fields, key, id))
    }

    /// The same, to change.
    pub(super) fn kept_one_mut(&mut self, table: &str, key: &str, id: &str) -> Option<&mut Fields> {
        let mut lines = self.kept.get_mut(table)?.iter_mut();
        lines.find(|fields| is(fields, key, id))
    }

    /// One of a table as the API gives it back, with the digest of the table.
    pub(super) fn shown(&self, table: &str, fields: &Fields, keys: &[Param]) -> Map<String, Value> {
        let mut shown = fields::shown(fields, keys);
        let digest = fields::digest(self.table(table));
        shown.insert("digest".to_owned(), json!(digest));
        shown
    }

    /// All of a table that `which` picks, as the API gives them back.
    pub(super) fn all_shown(
        &self,
        table: &str,
        keys: &[Param],
        which: impl Fn(&Fields) -> bool,
    ) -> Value {
        let lines = self.table(table).iter().filter(|fields| which(fields));
        lines
            .map(|fields| Value::Object(self.shown(table, fields, keys)))
            .collect()
    }

    /// Forgets one of a table; whether it was there.
    pub(super) fn drop_kept(&mut self, table: &str, key: &str, id: &str) -> bool {
        let Some(lines) = self.kept.get_mut(table) else {
            return false;
        };
        let count = lines.len();
        lines.retain(|fields| !is(fields, key, id));
        let dropped = lines.len() < count;
        // A table without lines is none: what comes and goes leaves nothing.
        if lines.is_empty() {
            self.kept.remove(table);
        }
        dropped
    }

    /// Adds one to a table, or fails with `taken`.
    pub(super) fn add_kept(
        &mut self,
        table: &str,
        key: &str,
        fields: Fields,
        taken: &str,
    ) -> Result<(), ApiError> {
        let id = fields::text(&fields, key);
        if self.kept_one(table, key, id).is_some() {
            bail!("{taken}");
        }
        self.table_mut(table).push(fields);
        Ok(())
    }

    /// Forgets all that is kept of a guest that goes.
    pub(super) fn forget_kept(&mut self, vmid: u32) {
        let firewall = format!("firewall/guest/{vmid}");
        let below = format!("{firewall}/");
        self.kept
            .retain(|name, _| *name != firewall && !name.starts_with(&below));
        for kind in ["vm", "ct"] {
            self.drop_kept(RESOURCES, "sid", &format!("{kind}:{vmid}"));
        }
    }

    /// Whether guests can be on a bridge: one of a node, or a vnet that was applied.
    pub(super) fn has_bridge(&self, node: &str, name: &str) -> bool {
        let own = self
            .node(node)
            .is_some_and(|node| node.bridges.iter().any(|bridge| bridge.name == name));
        own || self.kept_one(VNETS, "vnet", name).is_some()
    }

    /// Where the rights on a bridge are.
    pub(super) fn bridge_path(&self, name: &str) -> String {
        let vnet = self.kept_one(VNETS, "vnet", name);
        let zone = vnet.and_then(|vnet| vnet.get("zone"));
        format!(
            "/sdn/zones/{}/{name}",
            zone.map_or("localnetwork", String::as_str)
        )
    }

    /// What high availability says of a guest.
    pub(super) fn managed(&self, vmid: u32) -> Option<&Fields> {
        if self.table(RESOURCES).is_empty() {
            return None;
        }
        let kind = self.vms.get(&vmid)?.kind.pick("vm", "ct");
        self.kept_one(RESOURCES, "sid", &format!("{kind}:{vmid}"))
    }

    /// Tells high availability what is wanted of a guest; whether it looks after it.
    pub(super) fn request(&mut self, vmid: u32, state: &str) -> bool {
        let sid = self.managed(vmid).and_then(|own| own.get("sid").cloned());
        let own = sid.and_then(|sid| self.kept_one_mut(RESOURCES, "sid", &sid));
        own.is_some_and(|own| {
            own.insert("state".to_owned(), state.to_owned());
            true
        })
    }
}

/// The guests that high availability looks after.
pub(super) const RESOURCES: &str = "ha/resources";

/// The vnets that were applied.
const VNETS: &str = "sdn/running/vnets";

fn is(fields: &Fields, key: &str, id: &str) -> bool {
    fields.get(key).is_some_and(|own| own == id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    #[test]
    fn a_table_without_lines_is_not_kept() {
        let mut world = World::seeded(&Seed::default());
        world.forget_kept(100);
        assert!(world.kept_one_mut(RESOURCES, "sid", "vm:100").is_none());
        assert!(world.kept.is_empty());
        let fields = Fields::from_iter([("sid".to_owned(), "vm:100".to_owned())]);
        world.add_kept(RESOURCES, "sid", fields, "taken").unwrap();
        assert_eq!(world.kept.len(), 1);
        world.forget_kept(100);
        assert!(world.kept.is_empty());
    }
}

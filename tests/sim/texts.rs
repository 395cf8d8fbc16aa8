//! Guests whose disks hold a text each: enough to see what is copied where.

use std::collections::BTreeMap;
use std::sync::Mutex;

use hl_sim::{GuestSpec, Guests};

/// Disks that hold one text each, and which guests stand still.
#[derive(Default)]
pub(crate) struct Texts {
    disks: Mutex<BTreeMap<String, String>>,
    renamed: Mutex<Vec<(String, String)>>,
    pub(crate) paused: Mutex<Vec<(u32, bool)>>,
    pub(crate) fail: Mutex<Option<String>>,
}

impl Texts {
    pub(crate) fn text(&self, volume: &str) -> Option<String> {
        self.disks.lock().unwrap().get(volume).cloned()
    }

    /// What got another name, in order.
    pub(crate) fn renamed(&self) -> Vec<(String, String)> {
        self.renamed.lock().unwrap().clone()
    }

    pub(crate) fn write(&self, volume: &str, text: &str) {
        self.disks
            .lock()
            .unwrap()
            .insert(volume.to_owned(), text.to_owned());
    }

    /// Takes a disk away, as a fault would.
    pub(crate) fn remove(&self, volume: &str) {
        self.disks.lock().unwrap().remove(volume);
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.disks.lock().unwrap().keys().cloned().collect()
    }
}

impl Guests for Texts {
    fn create_disk(&self, volume: &str, _: Option<&str>) -> Result<(), String> {
        self.write(volume, "new");
        Ok(())
    }
    fn clone_disk(&self, from: &str, to: &str) -> Result<(), String> {
        if self.fail.lock().unwrap().as_deref() == Some(to) {
            return Err("no space left on device".to_owned());
        }
        let text = self
            .text(from)
            .ok_or_else(|| format!("`{from}` is not there"))?;
        self.write(to, &text);
        Ok(())
    }
    fn rename_disk(&self, from: &str, to: &str) -> Result<(), String> {
        let mut disks = self.disks.lock().unwrap();
        if disks.contains_key(to) {
            return Err(format!("`{to}` exists already"));
        }
        let text = disks.remove(from);
        let text = text.ok_or_else(|| format!("`{from}` is not there"))?;
        disks.insert(to.to_owned(), text);
        let names = (from.to_owned(), to.to_owned());
        self.renamed.lock().unwrap().push(names);
        Ok(())
    }
    fn remove_disk(&self, volume: &str) -> Result<(), String> {
        self.disks.lock().unwrap().remove(volume);
        Ok(())
    }
    fn start(&self, _: &GuestSpec) -> Result<(), String> {
        Ok(())
    }
    fn stop(&self, _: u32) -> Result<(), String> {
        Ok(())
    }
    fn agent_ready(&self, _: u32) -> bool {
        true
    }
    fn pause(&self, vmid: u32, paused: bool) -> Result<(), String> {
        self.paused.lock().unwrap().push((vmid, paused));
        Ok(())
    }
}

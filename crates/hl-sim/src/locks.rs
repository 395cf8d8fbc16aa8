//! The file locks of VMs: a worker holds one while it runs, and who comes
//! later waits for it, but not for long.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long Proxmox VE waits for a VM's lock file.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// How a VM is locked: by one alone, or together with others who only read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    /// Nobody else.
    Alone,
    /// With others who hold it the same way (a clone's source).
    Shared,
}

/// Locks by VMID.
#[derive(Debug, Default)]
pub(super) struct VmLocks {
    held: Mutex<BTreeMap<u32, Held>>,
    freed: Condvar,
}

#[derive(Debug, Clone, Copy)]
enum Held {
    Alone,
    Shared(usize),
}

/// Gives the lock back when dropped.
#[derive(Debug)]
pub(super) struct VmLock {
    locks: Arc<VmLocks>,
    vmid: u32,
}

impl VmLocks {
    /// Waits for the lock of a VM; the error is the text that clients see.
    pub(super) fn take(
        self: &Arc<Self>,
        vmid: u32,
        hold: Hold,
        patience: Duration,
    ) -> Result<VmLock, String> {
        let until = Instant::now() + patience;
        let mut taken = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let next = match (taken.get(&vmid), hold) {
                (None, Hold::Alone) => Some(Held::Alone),
                (None, Hold::Shared) => Some(Held::Shared(1)),
                (Some(Held::Shared(count)), Hold::Shared) => Some(Held::Shared(count + 1)),
                _ => None,
            };
            if let Some(next) = next {
                taken.insert(vmid, next);
                return Ok(VmLock {
                    locks: Arc::clone(self),
                    vmid,
                });
            }
            let now = Instant::now();
            if now >= until {
                return Err(format!(
                    "can't lock file '/var/lock/qemu-server/lock-{vmid}.conf' - got timeout"
                ));
            }
            taken = self
                .freed
                .wait_timeout(taken, until - now)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

impl Drop for VmLock {
    fn drop(&mut self) {
        let mut held = self
            .locks
            .held
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match held.get(&self.vmid) {
            Some(Held::Shared(count)) if *count > 1 => {
                let left = Held::Shared(count - 1);
                held.insert(self.vmid, left);
            }
            _ => {
                held.remove(&self.vmid);
            }
        }
        self.locks.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(20);

    #[test]
    fn readers_share_and_writers_wait() {
        let locks = Arc::new(VmLocks::default());
        let one = locks.take(9000, Hold::Shared, SHORT).unwrap();
        let two = locks.take(9000, Hold::Shared, SHORT).unwrap();
        let other = locks.take(100, Hold::Alone, SHORT).unwrap();
        drop(one);
        let refused = locks.take(9000, Hold::Alone, SHORT).unwrap_err();
        assert!(refused.contains("lock-9000.conf"), "{refused}");
        drop(two);
        drop(locks.take(9000, Hold::Alone, SHORT).unwrap());
        assert!(locks.take(100, Hold::Shared, SHORT).is_err());
        drop(other);
    }
}

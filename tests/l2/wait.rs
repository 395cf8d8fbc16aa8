//! `hl vm wait`: the address of one machine, for scripts.

use std::collections::BTreeMap;
use std::sync::Arc;

use hl_sim::{Faults, GuestKind, GuestSpec, Guests, Seed, SeedVm, World};

use super::stage::Stage;

/// Guests whose agents never answer.
struct Silent;

impl Guests for Silent {
    fn create_disk(&self, _: &str, _: Option<&str>) -> Result<(), String> {
        Ok(())
    }
    fn clone_disk(&self, _: &str, _: &str) -> Result<(), String> {
        Ok(())
    }
    fn rename_disk(&self, _: &str, _: &str) -> Result<(), String> {
        Ok(())
    }
    fn remove_disk(&self, _: &str) -> Result<(), String> {
        Ok(())
    }
    fn start(&self, _: &GuestSpec) -> Result<(), String> {
        Ok(())
    }
    fn stop(&self, _: u32) -> Result<(), String> {
        Ok(())
    }
    fn agent_ready(&self, _: u32) -> bool {
        false
    }
}

fn vm(vmid: u32, kind: GuestKind, config: &[(&str, &str)]) -> SeedVm {
    let pairs = config.iter();
    SeedVm {
        vmid,
        kind,
        config: pairs
            .map(|(key, text)| ((*key).to_owned(), (*text).to_owned()))
            .collect::<BTreeMap<_, _>>(),
        running: true,
        ..SeedVm::default()
    }
}

/// A virtual machine, two of one name, and a container.
fn with_machines(stage: &Stage) {
    let machine = |vmid, name, ip| {
        let config = [
            ("name", name),
            ("agent", "1"),
            ("ipconfig0", ip),
            ("net0", "virtio=BC:24:11:00:00:01,bridge=vmbr0"),
        ];
        vm(vmid, GuestKind::Qemu, &config)
    };
    let seed = Seed {
        vms: vec![
            machine(7501, "web", "ip=192.168.1.77/24,gw=192.168.1.1"),
            machine(7502, "twin", "ip=192.168.1.78/24,gw=192.168.1.1"),
            machine(7503, "twin", "ip=192.168.1.79/24,gw=192.168.1.1"),
            vm(
                7504,
                GuestKind::Lxc,
                &[
                    ("hostname", "cache"),
                    ("rootfs", "local-lvm:vm-7504-disk-0,size=4G"),
                    (
                        "net0",
                        "name=eth0,bridge=vmbr0,ip=192.168.1.80/24,type=veth",
                    ),
                ],
            ),
        ],
        ..Seed::default()
    };
    let made = World::seeded(&seed);
    stage.sim.change(|world| {
        world.vms.extend(made.vms);
        world.volumes.extend(made.volumes);
    });
}

#[test]
fn the_address_of_a_machine_is_what_is_printed() {
    let stage = Stage::new();
    with_machines(&stage);
    for (words, address) in [
        ("vm wait web", "192.168.1.77"),
        ("vm wait 7503", "192.168.1.79"),
        ("vm wait cache", "192.168.1.80"),
    ] {
        let ran = stage.hl(words).exits(0);
        assert_eq!(ran.stdout.trim_end(), address, "{words}");
    }
    let document = stage.hl("vm wait web --json").exits(0).json();
    assert_eq!(document["context"]["vm_ip"], "192.168.1.77", "{document:#}");
    stage
        .hl("vm wait wed")
        .exits(66)
        .says(&["there is no machine `wed`", "did you mean `web`?"]);
    stage
        .hl("vm wait twin")
        .exits(2)
        .says(&["7502, 7503", "by its number"]);
}

#[test]
fn patience_ends_and_the_silent_machine_is_named() {
    let stage = Stage::with(Faults::default(), Arc::new(Silent));
    with_machines(&stage);
    let ran = stage.hl("vm wait web --patience 3s").run();
    assert_ne!(ran.code, 0, "{}", ran.stderr);
    ran.says(&["`web` (VM 7501 on `pve`)", "3s"]);
    assert_eq!(ran.stdout, "");
    stage
        .hl("vm wait web --patience soon")
        .exits(65)
        .says(&["cannot be `soon`"]);
}

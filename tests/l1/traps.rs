//! What packer hides, and what it leaves behind.

use std::time::Duration;

use hl_sim::{Faults, Seed, SeedVm, World};
use rustix::process::Signal;

use super::stage::{Stage, has_packer, signal};
use crate::sim::faults::faults;

/// Answers `init` and `validate`, and does `$1` for a build.
fn fake(build: &str) -> String {
    format!("case $1 in build) ;; *) exit 0 ;; esac\n{build}\n")
}

fn add(stage: &Stage, vmid: u32, name: &str, description: &str) {
    let pairs = [("name", name), ("description", description)];
    let seed = Seed {
        vms: vec![SeedVm {
            vmid,
            config: pairs
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
            ..SeedVm::default()
        }],
        ..Seed::default()
    };
    let mut world = World::seeded(&seed);
    stage.sim.change(|now| now.vms.append(&mut world.vms));
}

#[test]
fn a_success_without_a_template_is_a_failure() {
    let stage = Stage::new();
    add(&stage, 700, "not-a-template", "");
    // A manifest that packer added to: only the last run counts.
    let entry = |id: u32, run: &str| {
        format!(
            r#"{{"builder_type":"proxmox-clone","artifact_id":"{id}","packer_run_uuid":"{run}"}}"#
        )
    };
    let manifest = format!(
        r#"{{"builds":[{},{}],"last_run_uuid":"b"}}"#,
        entry(1, "a"),
        entry(700, "b")
    );
    stage.packer_is(&fake(&format!("echo '{manifest}' > \"$PKR_VAR_manifest\"")));
    stage.hl("l1-template small").exits(1).says(&[
        "packer says it made a template, but VM 700 on `pve` is none",
        "qm destroy 700 --purge",
    ]);
    assert_eq!(stage.stamps(), Vec::<String>::new());
    assert_eq!(
        stage.vms().into_keys().collect::<Vec<_>>(),
        [700],
        "the base is gone"
    );
}

#[test]
fn what_a_failed_packer_left_is_named() {
    let stage = Stage::new();
    stage.packer_is(&fake(
        "curl -sSf --cacert \"$SSL_CERT_FILE\" -H \"Authorization: PVEAPIToken=$PROXMOX_USERNAME=$PROXMOX_TOKEN\" \
         -d vmid=700 -d name=\"$PKR_VAR_build_name\" \"$PROXMOX_URL/nodes/pve/qemu\" >/dev/null\n\
         echo 'panic: nil' > crash.log; echo \"$PROXMOX_TOKEN\" >> crash.log\n\
         echo '==> hl.x: Timeout waiting for SSH.'; exit 1",
    ));
    let ran = stage.hl("l1-template small").exits(1);
    ran.says(&[
        "`packer build` exited with code 1",
        "packer left VM 700 (`hl-build-small-",
        "did not let packer in at 127.77.9.9",
        "plugin crashed (`panic: nil`)",
    ]);
    assert_eq!(
        stage.vms().into_keys().collect::<Vec<_>>(),
        [700],
        "the base is gone"
    );
    // This lab began it, so the next build takes it away.
    let failing = format!("#!/bin/sh\n{}", fake("exit 1"));
    stage.lab.write("fake-packer", &failing);
    stage
        .hl("l1-ensure small")
        .exits(1)
        .says(&["removing VM 700 that an interrupted build left"]);
    assert!(stage.vms().is_empty());
    stage.is_clean();
}

#[test]
fn a_conversion_that_takes_its_time_is_waited_for() {
    if !has_packer() {
        return;
    }
    let stage = Stage::with(Faults::default().slow("template", Duration::from_secs(4)));
    stage.hl("l1-template small").exits(0).says(&["now stable"]);
    let manifest = stage.manifest();
    let vmid = manifest["vmid"].as_u64().unwrap();
    assert_eq!(stage.config(vmid, "template").as_deref(), Some("1"));
    assert_eq!(
        stage.config(vmid, "name"),
        manifest["vm_name"].as_str().map(str::to_owned)
    );
}

/// packer does not look how the conversion ended, and says that all is well.
#[test]
fn a_conversion_that_fails_gives_no_template() {
    if !has_packer() {
        return;
    }
    let stage = Stage::with(faults(&["task=template exit=\"no such disk\""]));
    let ran = stage.hl("l1-template small").run();
    assert_ne!(ran.code, 0, "{}", ran.stderr);
    ran.says(&["template"]);
    assert!(
        stage.stamps().is_empty(),
        "a build that failed was recorded"
    );
    stage.is_clean();
}

/// Somebody makes a VM between the question for a number and the clone.
#[test]
fn a_number_that_somebody_took_is_left_to_them() {
    if !has_packer() {
        return;
    }
    let stage = Stage::with(faults(&[
        "GET /cluster/nextid hit=1 at=after world=vmid-taken",
    ]));
    let ran = stage.hl("l1-template small").run();
    let theirs = stage
        .vms()
        .into_values()
        .filter(|name| name == "somebody-elses")
        .count();
    assert_eq!(theirs, 1, "{}", ran.stderr);
    stage.is_clean();
}

#[test]
fn an_interrupt_leaves_nothing_on_the_node() {
    if !has_packer() {
        return;
    }
    let stage = Stage::with(Faults::default().slow("clone", Duration::from_mins(5)));
    let child = stage.hl("l1-template small").spawn();
    stage.waits_for("/clone");
    signal(&child, Signal::INT);
    stage.sim.hurry();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(stage.vms().is_empty(), "{:?}\n{said}", stage.vms());
    assert!(stage.stamps().is_empty());
    stage.hl("l1-template small").exits(0);
    stage.is_clean();
}

#[test]
fn a_base_is_replaced_when_it_is_ours_and_left_alone_when_it_is_not() {
    let stage = Stage::new();
    stage.packer_is(&fake("exit 3"));
    add(
        &stage,
        700,
        "hl-base-small-01234567",
        "made by hl\n\nhl-base name=small",
    );
    stage
        .hl("l1-template small")
        .exits(3)
        .says(&["removing VM 700 that an interrupted build left"]);
    assert!(stage.vms().is_empty());
    add(&stage, 701, "hl-base-small-01234567", "precious");
    stage
        .hl("l1-template small")
        .exits(1)
        .says(&["VM 701 on `pve` is called `hl-base-small-01234567`, but was not made by `hl`"]);
    assert_eq!(stage.vms().into_keys().collect::<Vec<_>>(), [701]);
}

#[test]
fn packer_is_told_no_secret_but_by_environment() {
    let stage = Stage::new();
    stage.packer_is(
        "echo \"$0 $*\" >> argv; env > env-$1\n\
         case $1 in validate) [ \"$PROXMOX_TOKEN\" = validate ] || exit 9 ;; build) exit 3 ;; esac\n",
    );
    stage
        .hl("l1-template small")
        .env("PACKER_LOG", "1")
        .env("PROXMOX_PASSWORD", "x")
        .exits(3);
    let dir = ".build/templates/small/files";
    let argv = stage.lab.read(&format!("{dir}/argv"));
    assert!(argv.contains("build -color=false .") && !argv.contains(super::stage::CANARY));
    let env = stage.lab.read(&format!("{dir}/env-build"));
    for wanted in [
        "PROXMOX_TOKEN=cafebabe",
        "PROXMOX_USERNAME=hl@pve!hl",
        "PKR_VAR_build_ip=127.77.9.9",
        "CHECKPOINT_DISABLE=1",
    ] {
        assert!(env.contains(wanted), "{wanted}");
    }
    assert!(!env.contains("PACKER_LOG") && !env.contains("PROXMOX_PASSWORD"));
}

#[test]
fn what_is_not_set_or_not_there_is_told_before_anything_happens() {
    let stage = Stage::new();
    stage
        .hl("l1-template small")
        .without("PVE_BUILD_ADDRESS")
        .exits(69)
        .says(&["PVE_BUILD_ADDRESS"]);
    stage.packer_is("exit 0");
    std::fs::remove_file(stage.lab.path("fake-packer")).unwrap();
    stage
        .hl("l1-template small")
        .exits(69)
        .says(&["is not on PATH"]);
    assert_eq!(stage.sim.write_count(), 0);
}

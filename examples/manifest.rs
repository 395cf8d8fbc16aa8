//! What the plan of a manifest costs, from the file on disk: `manifest SITE NAME parse`
//! prints the CPU time of parsing the file alone, in microseconds; `manifest SITE NAME
//! plan` that of reading and checking it, of both orders, of laying its layers and of the
//! plan of `hl create`, the number of steps, and the most memory in KB. `benches/manifest`
//! runs it.
#![expect(clippy::print_stdout, reason = "its figures are what it is for")]

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::hint::black_box;

use hl::manifest::{Around, PlanSettings, plan, read, resolve};
use hl::runs::ManifestVerb;
use hl::site::{Kind, Tree};
use rustix::time::{ClockId, clock_gettime};

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [site, name, what] = words.as_slice() else {
        return Err("expected SITE NAME, and `parse` or `plan`".into());
    };
    match what.as_str() {
        "parse" => parsed(site, name),
        "plan" => planned(site, name),
        other => Err(format!("expected `parse` or `plan`, not `{other}`").into()),
    }
}

fn parsed(site: &str, name: &str) -> Result<(), Box<dyn Error>> {
    let begun = cpu();
    let text = fs::read_to_string(format!("{site}/manifests/{name}.yaml"))?;
    let value: serde_json::Value = serde_saphyr::from_str(&text)?;
    black_box(value);
    println!("parse {}", cpu() - begun);
    Ok(())
}

fn planned(site: &str, name: &str) -> Result<(), Box<dyn Error>> {
    let settings = PlanSettings {
        verb: ManifestVerb::Create,
        host: "pve".to_owned(),
        on_error: None,
        makes: "l2".to_owned(),
        converges: "l3".to_owned(),
        playbook: "layers/l3-system/ansible/system.yml".to_owned(),
        preflight: Vec::new(),
        tiers: BTreeMap::new(),
    };
    let tree = Tree::new(site, site);
    let begun = cpu();
    let around = Around {
        tree: &tree,
        paths: None,
        images: None,
        pull: &[],
    };
    let file = read(&around, tree.source(Kind::Manifest, name)?)?;
    let loaded = cpu();
    black_box((file.graph.create_order(), file.graph.destroy_order()));
    let ordered = cpu();
    let resolved = resolve(&tree, &file)?;
    let laid = cpu();
    let plan = plan(file, resolved, &settings)?;
    let done = cpu();
    println!(
        "load {} order {} resolve {} plan {} steps {} kb {}",
        loaded - begun,
        ordered - loaded,
        laid - ordered,
        done - laid,
        plan.steps.len(),
        most_memory()?
    );
    Ok(())
}

/// CPU time of this process, in microseconds.
fn cpu() -> i64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    now.tv_sec * 1_000_000 + now.tv_nsec / 1_000
}

/// The most memory that this process ever held, in KB.
fn most_memory() -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.ok_or("the kernel tells no VmHWM")?.parse()?)
}

//! What is known of the runs so far: `hl runs`, `hl status`.

mod full_disk;
mod machines;
mod page;
mod runs;
mod status;

use std::fs;

use crate::support::TestLab;

/// A lab with a recipe that works and one that fails.
fn lab() -> TestLab {
    let lab = TestLab::empty();
    lab.write(
        "layers/l2-things/layer.toml",
        r#"[layer]
id = "l2"
name = "Things"
doc = "Made of commands"
default = "make"

[[recipe]]
name = "make"
doc = "Make a thing"

[[recipe.step]]
id = "cut"
use = "command"
with = { argv = ["sh", "-c", "echo cutting; printf '\\033[2Jwipe\\n'; echo made > out.txt"] }

[[recipe.step]]
id = "polish"
use = "command"
with = { argv = ["sh", "-c", "echo polishing"] }

[[recipe]]
name = "break"
doc = "Fail"

[[recipe.step]]
id = "try"
use = "command"
with = { argv = ["sh", "-c", "echo trying"] }

[[recipe.step]]
id = "fail"
use = "command"
with = { argv = ["sh", "-c", "echo it broke >&2; exit 7"] }

[[recipe.step]]
id = "after"
use = "command"
with = { argv = ["true"] }
"#,
    );
    lab
}

/// The ids of the runs, oldest first.
fn ids(lab: &TestLab) -> Vec<String> {
    let Ok(entries) = fs::read_dir(lab.path("state/runs")) else {
        return Vec::new();
    };
    let mut ids: Vec<String> = entries
        .filter_map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            name.strip_suffix(".yaml").map(str::to_owned)
        })
        .collect();
    ids.sort();
    ids
}

/// Copies the newest run under another id, as if it were of another time.
fn copied(lab: &TestLab, id: &str) {
    let newest = ids(lab).pop().unwrap();
    let text = lab.read(&format!("state/runs/{newest}.yaml"));
    lab.write(&format!("state/runs/{id}.yaml"), &text.replace(&newest, id));
}

/// The last part of an id.
fn tail(id: &str) -> &str {
    id.rsplit('-').next().unwrap()
}

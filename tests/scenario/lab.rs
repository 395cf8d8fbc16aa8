//! A lab with two images that packer makes without a virtual machine.

use std::path::Path;

use crate::support::{Hl, TestLab};

/// Packer's own builder of files: a real build, in a moment.
pub(super) fn packer(content: &str) -> String {
    format!(
        r#"
variable "name" {{
  type = string
}}
variable "output" {{
  type = string
}}
source "file" "image" {{
  content = "{content}"
  target  = "${{var.output}}/${{var.name}}.qcow2"
}}
build {{
  sources = ["source.file.image"]
}}
"#
    )
}

pub(super) const IMAGES: &str = "layers/l1-templates/images";

/// A scenario that waits for the file `go`, and publishes nothing.
const WAITS: &str = r#"
[scenario]
doc = "wait for a file, then build"
runtime = "20s"
params = [{ name = "templates", option = true, default = "", doc = "images" }]

[[phase]]
id = "wait_go"
use = "command"
with = { argv = ["sh", "-c", "echo begun >> log; while [ ! -e go ]; do sleep 0.1; done; echo went >> log"] }

[[phase]]
id = "build_images"
use = "image.build"
with = { templates = "{{ templates }}" }

[[phase]]
id = "tell_end"
doc = "the first image is {{ steps.build_images.images }}"
use = "command"
with = { argv = ["sh", "-c", "echo over >> log"] }
"#;

/// A scenario of one phase that does nothing.
const IDLE: &str = r#"
[scenario]
doc = "do nothing"
runtime = "1s"
params = [{ name = "word", option = true, default = "none", doc = "is told" }]

[[phase]]
id = "tell"
use = "command"
with = { argv = ["sh", "-c", "echo $1 >> log", "sh", "{{ word }}"] }
"#;

pub(super) fn lab() -> TestLab {
    let lab = TestLab::empty();
    lab.write(
        "layers/l1-templates/layer.toml",
        "[layer]\nid = \"l1\"\nname = \"Templates\"\n",
    )
    .write(&format!("{IMAGES}/one/build.pkr.hcl"), &packer("first"))
    .write(&format!("{IMAGES}/two/build.pkr.hcl"), &packer("second"))
    .write("scenarios/gate-pass.toml", WAITS)
    .write("scenarios/word-tell.toml", IDLE);
    lab
}

/// What ran, in order.
pub(super) fn log(lab: &TestLab) -> Vec<String> {
    let text = std::fs::read_to_string(lab.path("log")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// `hl` somewhere else than in its lab.
pub(super) fn hl(dir: &Path, lab: &TestLab, words: &str) -> Hl {
    Hl::new(dir)
        .env("HL_LAB", lab.root().display().to_string())
        .cmd(words)
}

//! `image.build`: image files from packer's files, on this machine or another one. An
//! image whose files are the same as at its build is kept.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::built::Built;
use super::places::{on, wanted};
use crate::action::remote::{Machine, Where};
use crate::action::{About, Action, Done, StepContext};
use crate::base::{count, quoted, ticked};
use crate::diag::{Exit, StepError, say};
use crate::lab;

/// `image.build`
#[derive(Debug, Clone, Copy)]
pub struct ImageBuild;

/// What packer takes to end its machine.
const GRACE: Duration = Duration::from_mins(5);

/// What is there, a line each: the digest of packer's files, the one that the image
/// was built from, the image's own. `absent` stands for what is not there.
const LOOK: &str = r#"
digest() { sha256sum | cut -d ' ' -f 1; }
if [ -d "$files" ]; then
  (cd "$files" && find . -type f ! -name crash.log -print0 | LC_ALL=C sort -z | xargs -0 -r sha256sum | digest)
else
  echo absent
fi
if [ -f "$images/$name/$name.qcow2" ]; then
  cat "$images/$name/inputs.sha256"
  digest <"$images/$name/$name.qcow2"
else
  echo absent
  echo absent
fi
"#;

/// Builds beside the place, and moves there what is whole. Where `/dev/kvm` cannot be
/// used QEMU emulates, which takes longer.
const BUILD: &str = r#"
set -eu
command -v "$packer" >/dev/null || { echo "there is no packer on this machine" >&2; exit 69; }
mkdir -p "$images"
images=$(cd "$images" && pwd)
new=$images/.new-$name
rm -rf "$new"
cd "$files"
if [ -w /dev/kvm ]; then accelerator=kvm; else accelerator=tcg; fi
export CHECKPOINT_DISABLE=1 PACKER_NO_COLOR=1 PACKER_CACHE_DIR="$images/.cache"
export PKR_VAR_name="$name" PKR_VAR_output="$new" PKR_VAR_accelerator="$accelerator"
if grep -qs required_plugins ./*.pkr.hcl; then "$packer" init .; fi
"$packer" build -color=false .
[ -f "$new/$name.qcow2" ] || { echo "packer made no $name.qcow2 in the directory that its variable output names" >&2; exit 65; }
echo "$inputs" >"$new/inputs.sha256"
rm -rf "$images/$name"
mv "$new" "$images/$name"
"#;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Inputs {
    /// Image templates, separated by commas; all when empty.
    #[serde(default)]
    templates: String,
    /// The machine: a file of `site/nodes` or `site/hosts`. Files of `image.sync` are
    /// built there.
    #[serde(default)]
    host: String,
    /// Its address, `[USER@]ADDRESS`.
    #[serde(default)]
    remote: String,
    /// This machine.
    #[serde(default)]
    local: bool,
    /// Build also what is up to date.
    #[serde(default)]
    force: bool,
}

impl Action for ImageBuild {
    fn about(&self) -> About {
        About::of::<Inputs>("image.build")
            .doc(
                "build image files with packer and QEMU, here or on another machine; \
                 publishes `images`",
            )
            .repeatable()
            .never("it looks first, and builds only what its files do not belong to")
    }

    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        let machine = machine(ctx, &inputs)?;
        let names = wanted(&ctx.lab.paths, &inputs.templates)?;
        let summary = format!("would build {} on {}", ticked(&names), machine.name());
        Ok(Done::not_planned(summary))
    }

    fn run(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        let machine = machine(ctx, &inputs)?;
        let mut images = Vec::new();
        let mut built = 0;
        for name in wanted(&ctx.lab.paths, &inputs.templates)? {
            let job = Job::new(ctx, &machine, &name);
            let before = job.look()?;
            if before.files == ABSENT {
                let message = format!("{} has no packer files of `{name}`", machine.name());
                return Err(StepError::new(message)
                    .exit(Exit::Runway)
                    .help(say("send them there: ").hl("scenario packer-sync")));
            }
            let image = if before.is_current() && !inputs.force {
                ctx.note(format!("`{name}` is up to date"));
                before.image
            } else {
                job.build(&before.files)?;
                built += 1;
                job.look()?.image
            };
            images.push(Built {
                file: format!("{}/{name}/{name}.qcow2", job.images),
                name,
                sha256: image,
            });
        }
        let all = count(images.len(), "image");
        Ok(
            Done::new(format!("{built} of {all} built on {}", machine.name()))
                .changed(built > 0)
                .output("images", json!(images)),
        )
    }
}

fn machine(ctx: &StepContext<'_>, inputs: &Inputs) -> Result<Machine, StepError> {
    let named = Where {
        host: &inputs.host,
        remote: &inputs.remote,
        local: inputs.local,
    };
    Machine::of(ctx, named)
}

/// Stands for what is not there.
const ABSENT: &str = "absent";

/// One image on one machine.
struct Job<'a> {
    ctx: &'a StepContext<'a>,
    machine: &'a Machine,
    name: &'a str,
    /// The directory of images there, as it is handed on.
    images: String,
    /// Variables of the scripts.
    head: String,
}

/// What [`LOOK`] says.
struct Seen {
    files: String,
    inputs: String,
    image: String,
}

impl Seen {
    fn is_current(&self) -> bool {
        self.image != ABSENT && self.inputs == self.files
    }
}

impl<'a> Job<'a> {
    fn new(ctx: &'a StepContext<'a>, machine: &'a Machine, name: &'a str) -> Self {
        let paths = &ctx.lab.paths;
        let (files, images) = on(machine, paths);
        let named = ctx.lab.config.tools.get("packer").map(String::as_str);
        let packer = match machine {
            Machine::Here => named.unwrap_or("packer"),
            Machine::There(_) => "packer",
        };
        let head = [
            ("name", name),
            ("files", files.join(name).as_str()),
            ("images", images.as_str()),
            ("packer", packer),
        ]
        .map(|(key, value)| format!("{key}={}\n", quoted(value)))
        .concat();
        Self {
            ctx,
            machine,
            name,
            images: paths.show(&images).into_string(),
            head,
        }
    }

    fn look(&self) -> Result<Seen, StepError> {
        let said = self.machine.ask(
            self.ctx,
            "looking for images",
            &format!("{}{LOOK}", self.head),
        )?;
        let mut lines = said.lines().map(|line| line.trim().to_owned());
        let mut next = || lines.next().unwrap_or_else(|| ABSENT.to_owned());
        Ok(Seen {
            files: next(),
            inputs: next(),
            image: next(),
        })
    }

    fn build(&self, inputs: &str) -> Result<(), StepError> {
        let (ctx, name) = (self.ctx, self.name);
        if matches!(self.machine, Machine::Here) {
            lab::create_dir(&super::places::images(&ctx.lab.paths))?;
        }
        ctx.progress(format!("packer builds `{name}` on {}", self.machine.name()));
        let script = format!("{}inputs={}{BUILD}", self.head, quoted(inputs));
        let mut child = self.machine.long_script(&script).grace(GRACE);
        // Its log holds whatever packer knew.
        child.env_remove = vec!["PACKER_LOG".to_owned(), "PACKER_LOG_PATH".to_owned()];
        let outcome = ctx.exec.run(&child, &mut |line| {
            let stage = line.text.strip_prefix("==> ");
            if let Some((_, text)) = stage.and_then(|stage| stage.split_once(": ")) {
                ctx.progress(text.trim_end());
            }
        })?;
        outcome.check("packer build")
    }
}

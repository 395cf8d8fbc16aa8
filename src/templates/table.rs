//! What may stand in `template.toml` and `isos/NAME.toml`.

use crate::diag::Diagnostic;
use crate::shape::{Form, Others, Record, Shape, key, keys, required};

/// `template.toml`
pub(super) static TEMPLATE: Record = Record {
    what: "`template.toml`",
    others: Others::Refused,
    keys: keys! {
        /// One line for people; the first line of the template's notes
        required "description": Shape::Text,
        /// User that packer logs in as; cloud-init makes it
        required "guest_user": Shape::Filled,
        /// Folder of the packer files, relative to the template's [its own]
        key "packer": Shape::Text,
        /// A vendor's cloud image
        key "image": Shape::Record(&IMAGE),
        /// Or an installer
        key "iso": Shape::Record(&ISO_USE),
        /// The machine that is built on: `cores`, `memory` and `disk`
        required "machine": Shape::Record(&MACHINE),
    },
};

static IMAGE: Record = Record {
    what: "`[image]`",
    others: Others::Refused,
    keys: keys! {
        /// `https://...`; a `*` in the last part stands for what the sums file names
        required "url": Shape::Form(&HTTPS),
        /// The vendor's list of checksums, `https://...`
        required "sums": Shape::Form(&HTTPS),
        /// Name on the node; ends in `.qcow2`, `.raw` or `.vmdk`
        required "stored_as": Shape::Form(&IMAGE_FILE),
    },
};

static ISO_USE: Record = Record {
    what: "`[iso]`",
    others: Others::Refused,
    keys: keys! {
        /// Name of an ISO definition
        required "name": Shape::Filled,
    },
};

static MACHINE: Record = Record {
    what: "`[machine]`",
    others: Others::Refused,
    keys: keys! {
        /// Cores
        required "cores": Shape::Integer(1, 512),
        /// In MB
        required "memory": Shape::Integer(1, 8_388_608),
        /// Size of the template's disk: `6G`; clones can be larger, never smaller
        required "disk": Shape::Form(&SIZE),
    },
};

/// `isos/NAME.toml`
pub(super) static ISO: Record = Record {
    what: "an ISO definition",
    others: Others::Refused,
    keys: keys! {
        /// One line for people
        required "description": Shape::Text,
        /// `https://...`; a `*` in the last part stands for what the sums file names
        key "url": Shape::Form(&HTTPS),
        /// The vendor's list of checksums, `https://...`
        key "sums": Shape::Form(&HTTPS),
        /// A local file instead, relative to the lab
        key "file": Shape::Filled,
        /// What its checksum must be: `sha256:...` or `sha512:...`
        key "checksum": Shape::Text,
        /// Name on the node; ends in `.iso`
        required "stored_as": Shape::Form(&ISO_FILE),
    },
};

static HTTPS: Form = Form {
    is: "an https URL",
    wrong: |what, text| {
        let rest = text.strip_prefix("https://").unwrap_or_default();
        let wrong = format!("{what} `{text}` is not an https URL");
        rest.is_empty().then(|| Diagnostic::error(wrong))
    },
    pattern: "^https://.",
};

static IMAGE_FILE: Form = Form {
    is: "a file name that ends in `.qcow2`, `.raw` or `.vmdk`",
    wrong: |what, text| stored(what, text, &[".qcow2", ".raw", ".vmdk"]),
    pattern: r"^[A-Za-z0-9._-]+\.(qcow2|raw|vmdk)$",
};

static ISO_FILE: Form = Form {
    is: "a file name that ends in `.iso`",
    wrong: |what, text| stored(what, text, &[".iso"]),
    pattern: r"^[A-Za-z0-9._-]+\.iso$",
};

/// `6G`, `6144M`
static SIZE: Form = Form {
    is: "a size such as `6G`",
    wrong: |what, text| {
        let number = text.strip_suffix(['M', 'G', 'T']).map(str::parse::<u32>);
        let wrong = format!("{what} cannot be `{text}`, expected a size such as `6G`");
        let is_one = number.is_some_and(|number| number.is_ok_and(|number| number > 0));
        (!is_one).then(|| Diagnostic::error(wrong))
    },
    pattern: "^[0-9]+[MGT]$",
};

fn stored(what: &str, name: &str, endings: &[&str]) -> Option<Diagnostic> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let stem = endings.iter().find_map(|ending| name.strip_suffix(ending));
    let fits = name.chars().all(plain) && stem.is_some_and(|stem| !stem.is_empty());
    (!fits).then(|| {
        Diagnostic::error(format!(
            "{what} cannot be `{name}`, expected letters, digits, `.`, `_`, `-` and an ending of {}",
            endings.join(", ")
        ))
    })
}

//! What may stand in `template.toml` and `isos/NAME.toml`.

use crate::diag::Diagnostic;
use crate::shape::{Form, Nothing, Shape, key, required, tables};

tables! {
    Nothing;

    /// `template.toml`
    pub(super) static TEMPLATE = "`template.toml`", Refused [
        required("description", Shape::Text, "One line for people; the first line of the template's notes"),
        required("guest_user", Shape::Filled, "User that packer logs in as; cloud-init makes it"),
        key("packer", Shape::Text, "Folder of the packer files, relative to the template's [its own]"),
        key("image", Shape::Record(&IMAGE), "A vendor's cloud image"),
        key("iso", Shape::Record(&ISO_USE), "Or an installer"),
        required("machine", Shape::Record(&MACHINE), "The machine that is built on: `cores`, `memory` and `disk`"),
    ];

    static IMAGE = "`[image]`", Refused [
        required("url", Shape::Form(&HTTPS), URL),
        required("sums", Shape::Form(&HTTPS), SUMS),
        required("stored_as", Shape::Form(&IMAGE_FILE), "Name on the node; ends in `.qcow2`, `.raw` or `.vmdk`"),
    ];

    static ISO_USE = "`[iso]`", Refused [
        required("name", Shape::Filled, "Name of an ISO definition"),
    ];

    static MACHINE = "`[machine]`", Refused [
        required("cores", Shape::Integer(1, 512), "Cores"),
        required("memory", Shape::Integer(1, 8_388_608), "In MB"),
        required("disk", Shape::Form(&SIZE), "Size of the template's disk: `6G`; clones can be larger, never smaller"),
    ];

    /// `isos/NAME.toml`
    pub(super) static ISO = "an ISO definition", Refused [
        required("description", Shape::Text, "One line for people"),
        key("url", Shape::Form(&HTTPS), URL),
        key("sums", Shape::Form(&HTTPS), SUMS),
        key("file", Shape::Filled, "A local file instead, relative to the lab"),
        key("checksum", Shape::Text, "What its checksum must be: `sha256:...` or `sha512:...`"),
        required("stored_as", Shape::Form(&ISO_FILE), "Name on the node; ends in `.iso`"),
    ];
}

const URL: &str = "`https://...`; a `*` in the last part stands for what the sums file names";
const SUMS: &str = "The vendor's list of checksums, `https://...`";

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

//! What may stand in a file that says what a world begins with.

use crate::diag::Diagnostic;
use crate::shape::{Form, Nothing, Shape, key, required, tables};
use hl_sim::parse_size;

tables! {
    Nothing;

    /// The whole file.
    pub(super) static SEED = "a seed", Refused [
        key("pve", Shape::Choice(&["9.1", "8.4"]), "The version of Proxmox VE [9.1]"),
        key("node", Shape::Filled, "The node that answers [pve]"),
        key("nodes", Shape::List(&Shape::Filled), "Other nodes of its cluster, which are like it"),
        key("cpus", Shape::Integer(1, 4096), "Logical processors of a node [8]"),
        key("memory", Shape::Form(&SIZE), "Memory of a node [32G]"),
        key("clock", Shape::Integer(0, 253_402_300_799), "Where the clock stands (Unix seconds); it then moves a second a task, and the same calls give the same world [the real time]"),
        key("pools", Shape::List(&Shape::Filled), "Pools"),
        key("storage", Shape::List(&Shape::Record(&STORAGE)), "Storages [`local` and `local-lvm` of a fresh installation]"),
        key("bridge", Shape::List(&Shape::Record(&BRIDGE)), "Bridges of a node [`vmbr0`, 192.168.1.10/24]"),
        key("user", Shape::List(&Shape::Record(&USER)), "Users besides `root@pam`"),
        key("token", Shape::List(&Shape::Record(&TOKEN)), "Tokens besides the one that is printed"),
        key("vm", Shape::List(&Shape::Record(&VM)), "VMs and templates of them"),
        key("container", Shape::List(&Shape::Record(&CONTAINER)), "Containers and templates of them"),
        key("ssh", Shape::Record(&SSH), "Who may log in to the nodes"),
        key("downloads", Shape::Keyed(&Shape::Filled), "URLs that a node downloads from, and the file that stands for each, relative to this one"),
        key("take_downloads", Shape::Bool, "Other URLs count as downloaded, without a content [false]"),
    ];

    static SSH = "`[ssh]`", Refused [
        key("user", Shape::Filled, "The user; another one than root has sudo [root]"),
        key("keys", Shape::List(&Shape::Filled), "Public keys besides the one that is made: `ssh-ed25519 AAAA...`"),
    ];

    static STORAGE = "`[[storage]]`", Refused [
        required("id", Shape::Filled, "Its name"),
        required("type", Shape::Choice(&["dir", "lvmthin", "lvm", "zfspool", "nfs", "cifs", "rbd", "cephfs", "btrfs"]), "Its type"),
        required("content", Shape::List(&Shape::Choice(&["images", "rootdir", "iso", "vztmpl", "backup", "import", "snippets"])), "What it may hold"),
        key("size", Shape::Form(&SIZE), "Its size [100G]"),
        key("used", Shape::Form(&SIZE), "What is used of it by nothing that is listed [10G]"),
        key("shared", Shape::Bool, "Whether all nodes share it [as its type is]"),
        key("active", Shape::Bool, "Whether it is mounted [true]"),
        key("enabled", Shape::Bool, "Whether it is enabled [true]"),
        key("file", Shape::List(&Shape::Record(&FILE)), "ISO files, images to import"),
    ];

    static FILE = "`[[storage.file]]`", Refused [
        required("name", Shape::Filled, "Kind and name: `iso/debian.iso`, `import/debian-13.qcow2`"),
        required("size", Shape::Form(&SIZE), "Its size"),
        key("disk", Shape::Form(&SIZE), "Size of the disk inside [3G]"),
    ];

    static BRIDGE = "`[[bridge]]`", Refused [
        required("name", Shape::Filled, "Its name"),
        key("cidr", Shape::Filled, "The node's address on it: `192.168.1.10/24`"),
        key("gateway", Shape::Filled, "The gateway behind it"),
        key("active", Shape::Bool, "Whether it is up [true]"),
    ];

    static USER = "`[[user]]`", Refused [
        required("id", Shape::Filled, "`name@realm`"),
        key("password", Shape::Filled, "Its password [no login]"),
        key("grant", Shape::List(&Shape::Record(&GRANT)), "What it may do"),
    ];

    static TOKEN = "`[[token]]`", Refused [
        required("id", Shape::Form(&TOKEN_ID), "`name@realm!id`; a user that is not listed is made, and may do everything"),
        required("secret", Shape::Filled, "Its secret, usually a UUID"),
        key("privsep", Shape::Bool, "Whether its rights are cut to its own grants [true]"),
        key("grant", Shape::List(&Shape::Record(&GRANT)), "What it may do"),
    ];

    static GRANT = "`[[grant]]`", Refused [
        required("path", Shape::Filled, "`/`, `/vms/100`, `/storage/local` ..."),
        key("role", Shape::Filled, "A role: `PVEVMAdmin`"),
        key("privileges", Shape::List(&Shape::Filled), "Or privileges: `VM.Audit`"),
        key("propagate", Shape::Bool, "Whether it holds for the paths below [true]"),
    ];

    static VM = "`[[vm]]`", Refused [
        required("vmid", Shape::Integer(100, 999_999_999), "Its number"),
        key("node", Shape::Filled, "The node it is on [the one that answers]"),
        key("name", Shape::Filled, "Its name"),
        key("template", Shape::Bool, "Whether it is a template [false]"),
        key("running", Shape::Bool, "Whether it runs [false]"),
        key("system", Shape::Bool, "Whether a system is on its disk, for clones to boot; needs `disk` [false]"),
        key("agent", Shape::Bool, "Whether the guest agent is enabled, and installed where there is a system [false]"),
        key("cores", Shape::Integer(1, 512), "Cores"),
        key("memory", Shape::Integer(16, 8_388_608), "In MB"),
        key("disk", Shape::Form(&DISK), "Storage and size of `scsi0`: `local-lvm:8G`"),
        key("bridge", Shape::Filled, "The bridge of `net0`"),
        key("cloudinit", Shape::Bool, "Whether it has a cloud-init drive, on the storage of its disk [false]"),
        key("config", Shape::Keyed(&Shape::Scalar), "Keys of its config as the node holds them"),
    ];

    static CONTAINER = "`[[container]]`", Refused [
        required("vmid", Shape::Integer(100, 999_999_999), "Its number"),
        key("node", Shape::Filled, "The node it is on [the one that answers]"),
        key("hostname", Shape::Filled, "Its hostname [`CT` and its number]"),
        key("template", Shape::Bool, "Whether it is a template [false]"),
        key("running", Shape::Bool, "Whether it runs [false]"),
        key("unprivileged", Shape::Bool, "Whether its root is nobody on the node [true]"),
        key("cores", Shape::Integer(1, 8192), "Cores [all]"),
        key("memory", Shape::Integer(16, 8_388_608), "In MB [512]"),
        key("swap", Shape::Integer(0, 8_388_608), "In MB [512]"),
        required("rootfs", Shape::Form(&DISK), "Storage and size of its root: `local-lvm:4G`"),
        key("mount", Shape::List(&Shape::Record(&MOUNT)), "Mount points: `mp0`, `mp1` ..."),
        key("bridge", Shape::Filled, "The bridge of `net0`"),
        key("ip", Shape::Filled, "Its address: `192.168.1.60/24` or `dhcp`; needs `bridge`"),
        key("gateway", Shape::Filled, "Its gateway; needs `bridge`"),
        key("features", Shape::Filled, "`nesting=1`"),
        key("keys", Shape::List(&Shape::Filled), "Public keys that let its root in: `ssh-ed25519 AAAA...`"),
        key("config", Shape::Keyed(&Shape::Scalar), "Keys of its config as the node holds them"),
    ];

    static MOUNT = "`[[container.mount]]`", Refused [
        required("path", Shape::Filled, "Where it is in the container: `/data`"),
        required("disk", Shape::Form(&DISK), "Storage and size: `local-lvm:2G`"),
    ];
}

static SIZE: Form = Form {
    is: "a size such as `8G`",
    wrong: |what, text| {
        let wrong = format!("{what} is `{text}`, expected a size such as `8G`");
        parse_size(text).is_none().then(|| Diagnostic::error(wrong))
    },
    pattern: r"^[0-9]+(\.[0-9]+)?[KMGT]?$",
};

static DISK: Form = Form {
    is: "a storage and a size such as `local-lvm:8G`",
    wrong: |what, text| {
        let size = text.split_once(':').map(|(_, size)| parse_size(size));
        let wrong = format!("{what} is `{text}`, expected a storage and a size: `local-lvm:8G`");
        let fits = matches!(size, Some(Some(size)) if size > 0);
        (!fits).then(|| Diagnostic::error(wrong))
    },
    pattern: r"^[^:]+:[0-9]+(\.[0-9]+)?[KMGT]?$",
};

static TOKEN_ID: Form = Form {
    is: "a token such as `me@pve!name`",
    wrong: |what, text| {
        let wrong = format!("{what} is `{text}`, expected `name@realm!id`");
        let parts = text
            .split_once('!')
            .map(|(user, id)| (user.split_once('@'), id));
        let fits =
            matches!(parts, Some((Some((name, realm)), id)) if ![name, realm, id].contains(&""));
        (!fits).then(|| Diagnostic::error(wrong))
    },
    pattern: "^[^@!]+@[^@!]+![^@!]+$",
};

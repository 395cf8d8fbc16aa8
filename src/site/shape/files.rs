//! The files of a site-config.

use super::forms::{ADDRESS, CIDR, MAC_PREFIX, URL, VMID_RANGE, ZONE};
use super::target::{Key, Shape, Target, name};
use crate::shape::{key, required, tables};
use crate::site::kind::Kind;

/// A machine's disk, memory and cores: bounds of Proxmox VE.
const CORES: Shape = Shape::Integer(1, 512);
const MEMORY: Shape = Shape::Integer(64, 8_388_608);
const DISK: Shape = Shape::Integer(1, 131_072);
pub(super) const VMID: Shape = Shape::Integer(0, 999_999_999);
const PORT: Shape = Shape::Integer(1, 65_535);
const TEXTS: Shape = Shape::List(&Shape::Text);
const ROOT_LOGIN: Shape =
    Shape::Choice(&["yes", "no", "prohibit-password", "forced-commands-only"]);
const KIND: Shape = Shape::Choice(&["vm", "ct"]);
const YES_NO: Shape = Shape::Choice(&["yes", "no"]);

/// Keys that a machine, its template and its preset share.
const SIZES: [Key; 3] = [
    key("cores", CORES, "Virtual CPUs"),
    key("memory", MEMORY, "Memory in MB"),
    key("disk", DISK, "Disk in GB"),
];

tables! {
    Target;

    /// `site.yaml`
    pub(in crate::site) static SITE = "`site.yaml`", Refused [
        key("defaults", Shape::Record(&DEFAULTS), "What holds for every node and environment"),
    ];

    static DEFAULTS = "`defaults`", Refused [
        key("timezone", Shape::Form(&ZONE), "Time zone [UTC]"),
        key("domain", Shape::Text, "Domain of hosts"),
        key("ssh_user", Shape::Text, "Who logs in on nodes and hosts [root]"),
        key("automation_user", Shape::Text, "Who logs in on machines [homestak]"),
        key("bridge", Shape::Text, "Bridge of machines [vmbr0]"),
        key("gateway", Shape::Form(&ADDRESS), "Gateway of machines"),
        key("packages", TEXTS, "Packages on every machine"),
        key("pve_remove_subscription_nag", Shape::Bool, "No subscription notice on Proxmox VE [true]"),
        key("packer_release", Shape::Text, "Release that images are fetched from [latest]"),
        key("spec_server", Shape::Form(&URL), "Where machines ask for their spec"),
        key("datastore", Shape::Text, "Storage of nodes that name none"),
        key("mac_prefix", Shape::Form(&MAC_PREFIX), "What MAC addresses of machines begin with; others are a warning [BC:24:11]"),
        key("vmid_range", Shape::Form(&VMID_RANGE), "First and last id of machines, e.g. 10000-99999; others are a warning"),
    ];

    /// `nodes/NODE.yaml`
    pub(super) static NODE = "a node", Refused [
        key("node", Shape::Text, "Name in Proxmox VE [the file's]"),
        key("host", name(Kind::Host), "The machine it runs on"),
        key("parent_node", name(Kind::Node), "The node it runs on as a virtual machine"),
        key("api_endpoint", Shape::Form(&URL), "https://ADDRESS:8006"),
        key("api_token", Shape::Name(Target::ApiToken), "Name in `api_tokens` of secrets.yaml [the file's]"),
        required("datastore", Shape::Text, "Storage for disks"),
        key("ip", Shape::Text, "Address for SSH"),
        key("ssh_user", Shape::Text, "Who logs in [`ssh_user` of site.yaml]"),
    ];

    /// `hosts/HOST.yaml`
    pub(super) static HOST = "a host", Refused [
        key("host", Shape::Text, "Its name [the file's]"),
        key("domain", Shape::Text, "Its domain"),
        key("ip", Shape::Text, "Address for SSH [of vmbr0]"),
        key("network", Shape::Record(&HOST_NETWORK), "Its interfaces"),
        key("storage", Shape::Record(&STORAGE), "Its storage"),
        key("hardware", Shape::Record(&HARDWARE), "What it is made of"),
        key("access", Shape::Record(&HOST_ACCESS), "How to log in"),
        key("ssh", Shape::Record(&HOST_SSH), "Its SSH server"),
    ];

    static HOST_NETWORK = "`network`", Refused [
        key("interfaces", Shape::Keyed(&Shape::Record(&INTERFACE)), "By name"),
    ];

    static INTERFACE = "an interface", Refused [
        key("type", Shape::Text, "bridge, ..."),
        key("ports", TEXTS, "What a bridge joins"),
        key("address", Shape::Form(&CIDR), "Address with its prefix"),
        key("gateway", Shape::Form(&ADDRESS), "Gateway"),
    ];

    static STORAGE = "`storage`", Refused [
        key("zfs_pools", Shape::List(&Shape::Record(&POOL)), "ZFS pools"),
    ];

    static POOL = "a pool", Refused [
        required("name", Shape::Text, "Its name"),
        key("devices", TEXTS, "Its disks"),
    ];

    static HARDWARE = "`hardware`", Refused [
        key("cpu_cores", Shape::Integer(1, 65_536), "Cores"),
        key("memory_gb", Shape::Integer(1, 1_048_576), "Memory in GB"),
    ];

    static HOST_ACCESS = "`access`", Refused [
        key("ssh_user", Shape::Text, "Who logs in [root]"),
        key("ssh_port", PORT, "Port"),
        key("authorized_keys", Shape::List(&Shape::Name(Target::SshKey)), "Names in `ssh_keys` of secrets.yaml"),
    ];

    static HOST_SSH = "`ssh`", Refused [
        key("permit_root_login", ROOT_LOGIN, "Whether root logs in"),
        key("password_authentication", YES_NO, "Whether passwords are taken"),
    ];

    /// `envs/ENV.yaml`
    pub(super) static ENV = "an environment", Refused [
        key("posture", name(Kind::Posture), "Its posture [dev]"),
        key("vmid_base", VMID, "Machines without a `vmid` get this plus their place in the list"),
        key("vms", Shape::List(&Shape::Record(&MACHINE)), "Its machines"),
    ];

    static MACHINE = "a machine", Pass [
        required("name", Shape::Text, "Its name"),
        key("kind", KIND, "vm: a virtual machine; ct: a container [vm]"),
        key("template", name(Kind::Template), "File in vms/ that is laid under it"),
        key("vm_preset", name(Kind::Preset), "File in vms/presets/ that is laid under it; no effect beside `template`"),
        key("preset", Shape::Any, "Chooses nothing here: `vm_preset` does"),
        key("vmid", VMID, "Its id; null: Proxmox VE chooses"),
        key("image", Shape::Text, "What it is made from: a template of the lab, of a container one of the node's, as debian-13 or its file"),
        SIZES[0], SIZES[1], SIZES[2],
        key("bridge", Shape::Text, "Bridge [`bridge` of site.yaml]"),
        key("ip", Shape::Form(&CIDR), "Address with its prefix, or dhcp"),
        key("gateway", Shape::Form(&ADDRESS), "Gateway [`gateway` of site.yaml]"),
        key("packages", TEXTS, "Packages of its own"),
        key("tags", TEXTS, "Tags on the node"),
        key("groups", TEXTS, "Groups in the inventory"),
        key("features", TEXTS, "Of a container: nesting, or none; root@pam alone may set others [nesting]"),
    ];

    /// `vms/TEMPLATE.yaml`
    pub(super) static TEMPLATE = "a template", Pass [
        key("kind", KIND, "vm: virtual machines; ct: containers [vm]"),
        key("image", Shape::Text, "What machines are made from"),
        key("preset", name(Kind::Preset), "File in vms/presets/ that is laid under it"),
        SIZES[0], SIZES[1], SIZES[2],
        key("vmid", VMID, "Their id"),
        key("bridge", Shape::Text, "Bridge [`bridge` of site.yaml]"),
        key("ip", Shape::Form(&CIDR), "Address with its prefix, or dhcp"),
        key("gateway", Shape::Form(&ADDRESS), "Gateway [`gateway` of site.yaml]"),
        key("packages", TEXTS, "Packages"),
        key("tags", TEXTS, "Tags on the node"),
        key("groups", TEXTS, "Groups in the inventory"),
        key("features", TEXTS, "Of containers: nesting, or none; root@pam alone may set others [nesting]"),
    ];

    /// `vms/presets/PRESET.yaml` and `v2/presets/PRESET.yaml`
    pub(super) static PRESET = "a preset", Pass [SIZES[0], SIZES[1], SIZES[2]];

    /// `postures/POSTURE.yaml`: for Ansible.
    pub(super) static FLAT_POSTURE = "a posture", Refused [
        key("ssh_port", PORT, "Port of the SSH server [22]"),
        key("ssh_permit_root_login", ROOT_LOGIN, "Whether root logs in [prohibit-password]"),
        key("ssh_password_authentication", YES_NO, "Whether passwords are taken [no]"),
        key("sudo_nopasswd", Shape::Bool, "sudo without a password [false]"),
        key("fail2ban_enabled", Shape::Bool, "fail2ban [false]"),
        key("packages", TEXTS, "Packages behind those of site.yaml"),
    ];

    /// `v2/postures/POSTURE.yaml`: for specs, and for how machines prove who they are.
    pub(super) static POSTURE = "a posture", Refused [
        key("auth", Shape::Record(&AUTH), "How a machine proves who it is"),
        key("ssh", Shape::Record(&POSTURE_SSH), "SSH server"),
        key("sudo", Shape::Record(&SUDO), "sudo"),
        key("fail2ban", Shape::Record(&FAIL2BAN), "fail2ban"),
        key("packages", TEXTS, "Packages"),
    ];

    static AUTH = "`auth`", Refused [
        key("method", Shape::Choice(&["network", "site_token", "node_token"]), "network: by where it is; site_token: one for all; node_token: one each [network]"),
    ];

    static POSTURE_SSH = "`ssh`", Refused [
        key("port", PORT, "Port"),
        key("permit_root_login", ROOT_LOGIN, "Whether root logs in"),
        key("password_authentication", YES_NO, "Whether passwords are taken"),
    ];

    static SUDO = "`sudo`", Refused [
        key("nopasswd", Shape::Bool, "Without a password"),
    ];

    static FAIL2BAN = "`fail2ban`", Refused [
        key("enabled", Shape::Bool, "Whether it runs"),
    ];

    /// `v2/specs/SPEC.yaml`
    pub(super) static SPEC = "a spec", Refused [
        required("schema_version", Shape::Integer(1, 1), "1"),
        key("identity", Shape::Record(&IDENTITY), "Who it is"),
        key("network", Shape::Record(&SPEC_NETWORK), "Its network"),
        key("access", Shape::Record(&SPEC_ACCESS), "Who may log in, and how"),
        key("platform", Shape::Record(&PLATFORM), "What is installed"),
        key("config", Shape::Record(&CONFIG), "Settings, free but for those that are known"),
        key("run", Shape::Record(&RUN), "When it is applied again"),
    ];

    static IDENTITY = "`identity`", Refused [
        key("hostname", Shape::Text, "Host name [the file's]"),
        key("domain", Shape::Text, "Domain [`domain` of site.yaml]"),
    ];

    static SPEC_NETWORK = "`network`", Refused [
        key("ip", Shape::Form(&CIDR), "Address with its prefix, or dhcp"),
        key("gateway", Shape::Form(&ADDRESS), "Gateway"),
        key("dns", Shape::List(&Shape::Text), "Name servers"),
    ];

    static SPEC_ACCESS = "`access`", Refused [
        key("posture", name(Kind::SpecPosture), "File in v2/postures/ [dev]"),
        key("users", Shape::List(&Shape::Record(&USER)), "Users"),
    ];

    static USER = "a user", Refused [
        required("name", Shape::Text, "Login"),
        key("sudo", Shape::Bool, "Whether sudo is allowed"),
        key("ssh_keys", Shape::List(&Shape::Name(Target::SshKey)), "Names in `ssh_keys` of secrets.yaml"),
    ];

    static PLATFORM = "`platform`", Refused [
        key("packages", TEXTS, "Packages"),
        key("services", Shape::Record(&SERVICES), "Services"),
    ];

    static SERVICES = "`services`", Refused [
        key("enable", TEXTS, "Those that run"),
        key("disable", TEXTS, "Those that do not"),
    ];

    static CONFIG = "`config`", Pass [
        key("timezone", Shape::Form(&ZONE), "Time zone [`timezone` of site.yaml]"),
        key("pve", Shape::Any, "Settings of Proxmox VE"),
    ];

    static RUN = "`run`", Refused [
        key("trigger", Shape::Choice(&["schedule", "webhook", "git", "manual"]), "What starts it"),
        key("interval", Shape::Text, "schedule: how often"),
        key("port", PORT, "webhook: where it listens"),
        key("path", Shape::Text, "webhook: the path"),
        key("repo", Shape::Text, "git: the repository"),
        key("branch", Shape::Text, "git: the branch"),
        key("poll_interval", Shape::Text, "git: how often it looks"),
    ];

    /// `secrets.yaml`, for its schema: it has a reader of its own, which shows no value.
    pub(super) static SECRETS = "`secrets.yaml`", Refused [
        key("api_tokens", Shape::Keyed(&Shape::Text), "Tokens of nodes: user@realm!name=value"),
        key("passwords", Shape::Keyed(&Shape::Text), "`vm_root`: crypt hash of root's password on machines"),
        key("ssh_keys", Shape::Keyed(&Shape::Text), "Public keys by user@host"),
        key("auth", Shape::Record(&AUTH_TOKENS), "Tokens that machines prove themselves with"),
        key("sops", Shape::Any, "Written by SOPS when the file is encrypted"),
    ];

    static AUTH_TOKENS = "`auth`", Refused [
        key("site_token", Shape::Text, "One for all machines"),
        key("node_tokens", Shape::Keyed(&Shape::Text), "By machine or spec"),
    ];
}

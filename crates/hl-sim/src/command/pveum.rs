//! `pveum`

use serde_json::Value;

use super::node::{Node, Said};
use super::print::plain;
use super::verb::Shows::{All, Lines};
use super::verb::{Given, Verb, call, own};
use crate::kind::Kind::Text;
use crate::params::{Param, Params, opt};

const PERMISSIONS: &[Param] = &[opt("path", Text)];
const TOKEN: &str = "access/users/{userid}/token/{tokenid}";

/// What is listed, added, modified and deleted; `add`, `mod` and `del` stand behind
/// another word for it, too.
macro_rules! kept {
    ($what:literal, $short:literal, $id:literal, $path:literal) => {
        &[
            call(concat!($what, " list"), "", "GET", $path).shows(All),
            call(concat!($what, " add|", $short, "add"), $id, "POST", $path),
            call(
                concat!($what, " modify|", $short, "mod"),
                $id,
                "PUT",
                concat!($path, "/{", $id, "}"),
            ),
            call(
                concat!($what, " delete|", $short, "del"),
                $id,
                "DELETE",
                concat!($path, "/{", $id, "}"),
            ),
        ]
    };
}

pub(super) const VERBS: &[&[Verb]] = &[
    kept!("user", "user", "userid", "access/users"),
    kept!("group", "group", "groupid", "access/groups"),
    kept!("role", "role", "roleid", "access/roles"),
    kept!("realm", "realm ", "realm", "access/domains"),
    kept!("pool", "pool ", "poolid", "pools"),
    &[
        call("user permissions", "userid", "GET", "access/permissions").shows(All),
        call(
            "user token list",
            "userid",
            "GET",
            "access/users/{userid}/token",
        )
        .shows(All),
        call("user token add", "userid tokenid", "POST", TOKEN).shows(All),
        call("user token modify", "userid tokenid", "PUT", TOKEN).shows(All),
        call(
            "user token delete|user token remove",
            "userid tokenid",
            "DELETE",
            TOKEN,
        ),
        own(
            "user token permissions",
            "userid tokenid",
            PERMISSIONS,
            permissions,
        ),
        call("acl list", "", "GET", "access/acl").shows(All),
        call("acl modify|aclmod", "path", "PUT", "access/acl"),
        call("acl delete|acldel", "path", "PUT", "access/acl").with(&[("delete", "1")]),
        call("realm sync", "realm", "POST", "access/domains/{realm}/sync"),
        call("passwd", "userid", "PUT", "access/password"),
        call("ticket", "username", "POST", "access/ticket").shows(Lines(ticket)),
    ],
];

fn ticket(answer: &Value) -> String {
    answer.get("ticket").map_or_else(String::new, plain) + "\n"
}

fn permissions(node: &Node<'_>, given: &Given) -> Said {
    let mut params = Params::default();
    let token = format!("{}!{}", given.arg("userid"), given.arg("tokenid"));
    params.set("userid", token);
    if let Some(path) = given.option("path") {
        params.set("path", path);
    }
    let found = node.call("GET", "/access/permissions", params)?;
    Ok(given.format.show(&found))
}

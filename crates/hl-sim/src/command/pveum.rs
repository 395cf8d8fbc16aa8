//! `pveum`

use super::exchange::CommandReply;
use super::node::{Node, Said};
use super::verb::Shows::All;
use super::verb::{Given, Verb, call, own};
use crate::kind::Kind::Text;
use crate::params::{Param, Params, opt};

const PERMISSIONS: &[Param] = &[opt("path", Text)];
const PASSWORD: &[Param] = &[opt("password", Text), opt("confirmation-password", Text)];

pub(super) const VERBS: &[Verb] = &[
    call("user list", "", "GET", "access/users").shows(All),
    call("user add|useradd", "userid", "POST", "access/users"),
    call(
        "user modify|usermod",
        "userid",
        "PUT",
        "access/users/{userid}",
    ),
    call(
        "user delete|userdel",
        "userid",
        "DELETE",
        "access/users/{userid}",
    ),
    call("user permissions", "userid", "GET", "access/permissions").shows(All),
    call(
        "user token list",
        "userid",
        "GET",
        "access/users/{userid}/token",
    )
    .shows(All),
    call(
        "user token add",
        "userid tokenid",
        "POST",
        "access/users/{userid}/token/{tokenid}",
    )
    .shows(All),
    call(
        "user token modify",
        "userid tokenid",
        "PUT",
        "access/users/{userid}/token/{tokenid}",
    )
    .shows(All),
    call(
        "user token delete|user token remove",
        "userid tokenid",
        "DELETE",
        "access/users/{userid}/token/{tokenid}",
    ),
    own(
        "user token permissions",
        "userid tokenid",
        PERMISSIONS,
        permissions,
    ),
    call("group list", "", "GET", "access/groups").shows(All),
    call("group add|groupadd", "groupid", "POST", "access/groups"),
    call(
        "group modify|groupmod",
        "groupid",
        "PUT",
        "access/groups/{groupid}",
    ),
    call(
        "group delete|groupdel",
        "groupid",
        "DELETE",
        "access/groups/{groupid}",
    ),
    call("role list", "", "GET", "access/roles").shows(All),
    call("role add|roleadd", "roleid", "POST", "access/roles"),
    call(
        "role modify|rolemod",
        "roleid",
        "PUT",
        "access/roles/{roleid}",
    ),
    call(
        "role delete|roledel",
        "roleid",
        "DELETE",
        "access/roles/{roleid}",
    ),
    call("acl list", "", "GET", "access/acl").shows(All),
    call("acl modify|aclmod", "path", "PUT", "access/acl"),
    call("acl delete|acldel", "path", "PUT", "access/acl").with(&[("delete", "1")]),
    call("realm list", "", "GET", "access/domains").shows(All),
    call("realm add", "realm", "POST", "access/domains"),
    call("realm modify", "realm", "PUT", "access/domains/{realm}"),
    call("realm delete", "realm", "DELETE", "access/domains/{realm}"),
    call("pool list", "", "GET", "pools").shows(All),
    call("pool add", "poolid", "POST", "pools"),
    call("pool modify", "poolid", "PUT", "pools/{poolid}"),
    call("pool delete", "poolid", "DELETE", "pools/{poolid}"),
    own("passwd", "userid", PASSWORD, password),
];

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

fn password(node: &Node<'_>, given: &Given) -> Said {
    let Some(password) = given.option("password") else {
        return Err(CommandReply::failed(
            "there is no terminal to ask for a password at: give one with --password",
        ));
    };
    let mut params = Params::default();
    params.set("userid", given.arg("userid"));
    params.set("password", password);
    node.call("PUT", "/access/password", params)?;
    Ok(String::new())
}

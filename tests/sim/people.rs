//! Users, groups, roles, rights, tokens and realms, made and changed by the API.

use hl_sim::{Grant, SeedUser};
use serde_json::{Value, json};

use super::support::{Lab, Setup, lab, read, seed};

fn login(lab: &Lab, user: &str, password: &str) -> (String, String) {
    let form = [("username", user), ("password", password)];
    let answer = lab.bare("POST", "/access/ticket").form(&form);
    let data = read(answer.send().unwrap()).data();
    let text = |key: &str| data[key].as_str().unwrap().to_owned();
    (
        format!("PVEAuthCookie={}", text("ticket")),
        text("CSRFPreventionToken"),
    )
}

fn item<'v>(list: &'v Value, key: &str, wanted: &str) -> &'v Value {
    let mut items = list.as_array().unwrap().iter();
    items
        .find(|item| item[key] == wanted)
        .unwrap_or(&Value::Null)
}

#[test]
fn a_users_life() {
    let lab = lab(&seed());
    lab.post(
        "/access/groups",
        &[("groupid", "ops"), ("comment", "people")],
    )
    .data();
    let form = [
        ("userid", "ann@pve"),
        ("password", "long enough"),
        ("groups", "ops"),
        ("email", "ann@example.org"),
        ("comment", ""),
    ];
    assert_eq!(lab.post("/access/users", &form).data(), json!(null));
    lab.post("/access/users", &form)
        .fails(500, "create user failed: user 'ann@pve' already exists");
    let one = lab.get("/access/users/ann@pve").data();
    assert_eq!(
        one,
        json!({"enable": 1, "expire": 0, "email": "ann@example.org", "groups": ["ops"]})
    );
    let listed = lab.get("/access/users?full=1").data();
    let ann = item(&listed, "userid", "ann@pve");
    assert_eq!(
        (&ann["groups"], &ann["realm-type"]),
        (&json!("ops"), &json!("pve"))
    );
    assert_eq!(ann["tokens"], json!([]));
    assert_eq!(
        lab.get("/access/groups/ops").data(),
        json!({"members": ["ann@pve"], "comment": "people"})
    );
    let (cookie, _) = login(&lab, "ann@pve", "long enough");
    lab.put("/access/users/ann@pve", &[("enable", "0"), ("groups", "")])
        .data();
    assert_eq!(lab.get("/access/users/ann@pve").data()["groups"], json!([]));
    let disabled = lab.bare("GET", "/version").header("Cookie", cookie);
    assert_eq!(read(disabled.send().unwrap()).status, 401);
    lab.put("/access/users/ann@pve", &[("groups", "none")])
        .fails(500, "update user failed: no such group 'none'");
    lab.delete("/access/users/ann@pve").data();
    lab.get("/access/users/ann@pve")
        .fails(500, "no such user ('ann@pve')");
    lab.delete("/access/users/ann@pve")
        .fails(500, "delete user failed: no such user ('ann@pve')");
    let short = lab.post(
        "/access/users",
        &[("userid", "b@pve"), ("password", "short")],
    );
    assert_eq!(
        short.json()["errors"]["password"],
        "value must be at least 8 characters long"
    );
    lab.delete("/access/groups/ops").data();
    lab.get("/access/groups/ops")
        .fails(500, "group 'ops' does not exist");
}

#[test]
fn rights_come_by_groups_roles_and_pools() {
    let lab = lab(&seed());
    lab.post("/access/groups", &[("groupid", "ops")]).data();
    lab.post("/access/users", &[("userid", "ann@pve"), ("groups", "ops")])
        .data();
    let role = [("roleid", "Starter"), ("privs", "VM.Audit, VM.PowerMgmt")];
    lab.post("/access/roles", &role).data();
    let roles = lab.get("/access/roles").data();
    let starter = item(&roles, "roleid", "Starter");
    assert_eq!(starter["privs"], "VM.Audit,VM.PowerMgmt");
    assert_eq!(starter["special"], 0);
    assert_eq!(item(&roles, "roleid", "PVEAdmin")["special"], 1);
    let acl = [("path", "/vms/"), ("roles", "Starter"), ("groups", "ops")];
    lab.put("/access/acl", &acl).data();
    let rights = || {
        lab.get("/access/permissions?userid=ann@pve&path=/vms/100")
            .data()
    };
    assert_eq!(
        rights(),
        json!({"/vms/100": {"VM.Audit": 1, "VM.PowerMgmt": 1}})
    );
    let entries = lab.get("/access/acl").data();
    let entry = item(&entries, "roleid", "Starter");
    assert_eq!(
        (&entry["type"], &entry["ugid"]),
        (&json!("group"), &json!("ops"))
    );
    // What is said of the user counts more than what is said of a group.
    let own = [
        ("path", "/vms"),
        ("roles", "PVETemplateUser"),
        ("users", "ann@pve"),
    ];
    lab.put("/access/acl", &own).data();
    assert_eq!(
        rights(),
        json!({"/vms/100": {"VM.Audit": 1, "VM.Clone": 1}})
    );
    let gone = [own[0], own[1], own[2], ("delete", "1")];
    lab.put("/access/acl", &gone).data();
    lab.put(
        "/access/roles/Starter",
        &[("privs", "VM.Console"), ("append", "1")],
    )
    .data();
    assert_eq!(rights()["/vms/100"]["VM.Console"], 1);
    lab.put("/access/roles/Starter", &[("privs", "VM.Console")])
        .data();
    assert_eq!(rights(), json!({"/vms/100": {"VM.Console": 1}}));
    lab.delete("/access/roles/Starter").data();
    assert_eq!(rights(), json!({}));

    lab.post("/pools", &[("poolid", "lab")]).data();
    lab.put(
        "/pools",
        &[("poolid", "lab"), ("vms", "100"), ("storage", "local")],
    )
    .data();
    let by_pool = [
        ("path", "/pool/lab"),
        ("roles", "PVEDatastoreUser"),
        ("users", "ann@pve"),
    ];
    lab.put("/access/acl", &by_pool).data();
    let storage = lab
        .get("/access/permissions?userid=ann@pve&path=/storage/local")
        .data();
    assert_eq!(storage["/storage/local"]["Datastore.Audit"], 1);
}

#[test]
fn what_access_refuses() {
    let lab = lab(&seed());
    let acl = |form: &[(&str, &str)]| lab.put("/access/acl", form);
    let error = |reply: &super::support::Reply, key: &str| reply.json()["errors"][key].clone();
    let odd = acl(&[
        ("path", "/foo"),
        ("roles", "PVEAdmin"),
        ("users", "root@pam"),
    ]);
    assert_eq!(error(&odd, "path"), "invalid ACL path '/foo'");
    let nobody = acl(&[("path", "/"), ("roles", "PVEAdmin")]);
    assert_eq!(nobody.json()["errors"].as_object().unwrap().len(), 3);
    acl(&[("path", "/"), ("roles", "None"), ("users", "root@pam")])
        .fails(500, "ACL update failed: role 'None' does not exist");
    acl(&[("path", "/"), ("roles", "PVEAdmin"), ("users", "x@pve")])
        .fails(500, "ACL update failed: user 'x@pve' does not exist");
    acl(&[("path", "/"), ("roles", "PVEAdmin"), ("tokens", "hl@pve!x")]).fails(
        500,
        "ACL update failed: no such token 'x' for user 'hl@pve'",
    );
    let role = lab.post("/access/roles", &[("roleid", "pveMine")]);
    assert_eq!(
        error(&role, "roleid"),
        "cannot use role ID starting with the (case-insensitive) 'PVE' namespace"
    );
    let role = lab.post(
        "/access/roles",
        &[("roleid", "Mine"), ("privs", "VM.Wings")],
    );
    assert_eq!(
        error(&role, "privs"),
        "invalid format - invalid privilege 'VM.Wings'"
    );
    lab.put("/access/roles/PVEAdmin", &[("privs", "")])
        .fails(500, "auto-generated role 'PVEAdmin' cannot be modified");
    lab.delete("/access/roles/PVEAdmin")
        .fails(500, "auto-generated role 'PVEAdmin' cannot be deleted");
    lab.put(
        "/access/password",
        &[("userid", "hl@pve"), ("password", "long enough")],
    )
    .fails(
        403,
        "Permission check failed (URI '/access/password' not available with API token, need \
         proper ticket.)",
    );
}

#[test]
fn who_has_no_rights_gives_none() {
    let mut world = seed();
    world.users.push(SeedUser {
        id: "u@pve".to_owned(),
        password: Some("pass word".to_owned()),
        grants: vec![Grant::role("/vms", "PVEVMAdmin")],
    });
    let lab = lab(&world);
    let (cookie, csrf) = login(&lab, "u@pve", "pass word");
    let send = |method: &str, path: &str, form: &[(&str, &str)]| {
        let request = lab.bare(method, path).header("Cookie", &cookie);
        let request = request.header("CSRFPreventionToken", &csrf).form(form);
        read(request.send().unwrap())
    };
    // Rights come before parameters.
    send("POST", "/access/users", &[]).fails(
        403,
        "Permission check failed (/access/realm/, Realm.AllocateUser)",
    );
    send("POST", "/access/groups", &[("groupid", "a")]).fails(
        403,
        "Permission check failed (/access/groups, Group.Allocate)",
    );
    send("PUT", "/access/users/hl@pve", &[])
        .fails(403, "Permission check failed (/access/groups, User.Modify)");
    send("PUT", "/access/password", &[("userid", "root@pam")])
        .fails(403, "Permission check failed");
    send("PUT", "/access/acl", &[("path", "/")])
        .fails(403, "Permission check failed (/, Permissions.Modify)");
    // On VMs, whoever may make them hands on what is theirs, and no more.
    let grant = |role| [("path", "/vms/100"), ("roles", role), ("users", "hl@pve")];
    send("PUT", "/access/acl", &grant("PVEVMUser")).data();
    let more = send("PUT", "/access/acl", &grant("Administrator"));
    assert_eq!(
        more.json()["errors"]["role"],
        "Cannot add role 'Administrator' - requires 'Permissions.Modify' or superset of privileges."
    );
    // Everybody has tokens, and a password.
    let made = send(
        "POST",
        "/access/users/u@pve/token/mine",
        &[("privsep", "0")],
    )
    .data();
    assert_eq!(made["full-tokenid"], "u@pve!mine");
    assert_eq!(made["info"], json!({"privsep": "0"}), "as a form sends it");
    send("POST", "/access/users/hl@pve/token/mine", &[]).fails(403, "Permission check failed");
    let own = |more: &[(&str, &str)]| {
        let mut form = vec![("userid", "u@pve"), ("password", "another one")];
        form.extend(more);
        send("PUT", "/access/password", &form)
    };
    assert_eq!(
        own(&[]).json()["errors"]["confirmation-password"],
        "password is required to modify user"
    );
    own(&[("confirmation-password", "wrong")]).fails(401, "authentication failure");
    own(&[("confirmation-password", "pass word")]).data();
    login(&lab, "u@pve", "another one");
}

#[test]
fn a_tokens_life() {
    let lab = lab(&seed());
    let path = "/access/users/hl@pve/token/ci";
    let made = lab
        .post(path, &[("comment", "for builds"), ("expire", "4102444800")])
        .data();
    assert_eq!(
        made["info"],
        json!({"privsep": 1, "expire": "4102444800", "comment": "for builds"})
    );
    let again = lab.post(path, &[]);
    assert_eq!(again.json()["errors"]["tokenid"], "Token already exists.");
    assert_eq!(
        lab.get(path).data(),
        json!({"privsep": 1, "expire": 4_102_444_800_i64, "comment": "for builds"})
    );
    let listed = lab.get("/access/users/hl@pve/token").data();
    assert_eq!(item(&listed, "tokenid", "ci")["privsep"], 1);
    let secret = made["value"].as_str().unwrap();
    let with = |secret: &str| {
        let header = format!("PVEAPIToken=hl@pve!ci={secret}");
        let request = lab
            .bare("GET", "/nodes/pve/status")
            .header("Authorization", header);
        read(request.send().unwrap())
    };
    with(secret).fails(403, "Permission check failed (/nodes/pve, Sys.Audit)");
    let acl = [
        ("path", "/nodes"),
        ("roles", "PVEAuditor"),
        ("tokens", "hl@pve!ci"),
    ];
    lab.put("/access/acl", &acl).data();
    assert_eq!(with(secret).status, 200);
    let new = lab
        .put(path, &[("regenerate", "1"), ("delete", "comment")])
        .data();
    with(secret).fails(401, "invalid token value!");
    assert_eq!(with(new["value"].as_str().unwrap()).status, 200);
    assert!(new.get("comment").is_none());
    lab.put(path, &[("expire", "5")]).data();
    with(new["value"].as_str().unwrap()).fails(401, "token 'hl@pve!ci' access expired");
    lab.delete(path).data();
    lab.get(path)
        .fails(500, "no such token 'ci' for user 'hl@pve'");
    assert!(
        lab.server()
            .world()
            .acl
            .iter()
            .all(|entry| entry.who != "hl@pve!ci")
    );
}

#[test]
fn realms_are_kept() {
    let lab = lab(&seed());
    let stock = lab.get("/access/domains").data();
    assert_eq!(
        item(&stock, "realm", "pam")["comment"],
        "Linux PAM standard authentication"
    );
    lab.post(
        "/access/domains",
        &[
            ("realm", "corp"),
            ("type", "ldap"),
            ("server1", "ldap.corp"),
        ],
    )
    .fails(
        500,
        "add auth server failed: missing value for required option 'base_dn'",
    );
    let form = [
        ("realm", "corp"),
        ("type", "ldap"),
        ("server1", "ldap.corp"),
        ("base_dn", "dc=corp"),
        ("user_attr", "uid"),
        ("port", "636"),
        ("default", "1"),
    ];
    lab.post("/access/domains", &form).data();
    let one = lab.get("/access/domains/corp").data();
    assert_eq!(
        (&one["port"], &one["default"], &one["type"]),
        (&json!(636), &json!(1), &json!("ldap"))
    );
    let stale = [("comment", "x"), ("digest", "0000")];
    lab.put("/access/domains/corp", &stale).fails(
        500,
        "detected modified configuration - file changed by other user? Try again.",
    );
    let digest = one["digest"].as_str().unwrap();
    lab.put(
        "/access/domains/corp",
        &[("delete", "port"), ("digest", digest)],
    )
    .data();
    assert!(lab.get("/access/domains/corp").data().get("port").is_none());
    lab.post("/access/users", &[("userid", "ann@corp")]).data();
    let users = lab.get("/access/users").data();
    assert_eq!(item(&users, "userid", "ann@corp")["realm-type"], "ldap");
    let sync = |form: &[(&str, &str)]| lab.post("/access/domains/corp/sync", form);
    assert_eq!(
        sync(&[]).json()["errors"]["scope"],
        "Not passed as parameter and not defined in realm default sync options."
    );
    let test = sync(&[("scope", "users"), ("dry-run", "1")]).data();
    assert!(
        test.as_str()
            .unwrap()
            .contains(":auth-realm-sync-test:corp:")
    );
    let defaults = [("sync-defaults-options", "scope=both,enable-new=1")];
    lab.put("/access/domains/corp", &defaults).data();
    let task = sync(&[]).data();
    assert!(task.as_str().unwrap().contains(":auth-realm-sync:corp:"));
    assert_eq!(
        lab.exit_of(&task),
        "the simulator asks no LDAP server: 'ldap.corp'"
    );
    assert_eq!(lab.log_of(&task)[0], "starting sync for realm corp");
    lab.post("/access/domains/pam/sync", &[("scope", "both")])
        .fails(
            500,
            "Cannot sync realm type 'pam'! Only LDAP/AD realms can be synced.",
        );
    let none = lab.post("/access/domains/none/sync", &[("scope", "both")]);
    assert_eq!(none.json()["errors"]["realm"], "Realm does not exist.");
    lab.delete("/access/domains/corp").data();
    lab.get("/access/domains/corp")
        .fails(500, "domain 'corp' does not exist");
    lab.post("/access/users", &[("userid", "bob@corp")])
        .fails(500, "create user failed: domain 'corp' does not exist");
}

#[test]
fn pools_are_written() {
    let lab = lab(&seed());
    lab.done(&lab.post("/nodes/pve/qemu", &[("vmid", "100"), ("name", "a")]));
    lab.post("/pools", &[("poolid", "lab"), ("comment", "mine")])
        .data();
    lab.post("/pools", &[("poolid", "lab")])
        .fails(500, "create pool failed: pool 'lab' already exists");
    lab.post("/pools", &[("poolid", "no/x")]).fails(
        500,
        "create pool failed: parent 'no' of pool 'no/x' does not exist",
    );
    lab.post("/pools", &[("poolid", "lab/x")]).data();
    lab.put(
        "/pools?poolid=lab",
        &[("vms", "100,777"), ("storage", "local-lvm")],
    )
    .data();
    let members = lab.get("/pools/lab").data()["members"].clone();
    assert_eq!(members.as_array().unwrap().len(), 2, "777 is not there yet");
    assert_eq!(members[0]["id"], "qemu/100");
    assert_eq!(members[1]["id"], "storage/pve/local-lvm");
    let only = lab.get("/pools?poolid=lab&type=storage").data();
    assert_eq!(only[0]["members"].as_array().unwrap().len(), 1);
    let add = |pool, more: &[(&str, &str)]| {
        let mut form = vec![("poolid", pool), ("vms", "100")];
        form.extend(more);
        lab.put("/pools", &form)
    };
    add("lab", &[]).fails(500, "update pools failed: VM 100 is already a pool member");
    add("lab/x", &[]).fails(
        500,
        "update pools failed: VM 100 belongs already to pool 'lab' and 'allow-move' is not set",
    );
    add("lab/x", &[("delete", "1")]).fails(500, "update pools failed: VM 100 is not a pool member");
    add("lab/x", &[("allow-move", "1")]).data();
    assert_eq!(lab.get("/pools/lab/x").data()["members"][0]["vmid"], 100);
    lab.delete("/pools?poolid=lab").fails(
        500,
        "delete pool failed: pool 'lab' is not empty (contains VM 777)",
    );
    // One that fails writes nothing.
    let both = [("vms", "777,778"), ("delete", "1")];
    lab.put("/pools/lab", &both)
        .fails(500, "update pools failed: VM 778 is not a pool member");
    let out = [
        ("vms", "777"),
        ("storage", "local-lvm"),
        ("delete", "1"),
        ("comment", "empty"),
    ];
    lab.put("/pools/lab", &out).data();
    lab.delete("/pools/lab").fails(
        500,
        "delete pool failed: pool 'lab' is not empty (contains pool 'lab/x')",
    );
    lab.done(&lab.delete("/nodes/pve/qemu/100"));
    lab.delete("/pools?poolid=lab/x").data();
    lab.delete("/pools/lab").data();
    assert_eq!(lab.get("/pools").data(), json!([]));
    let deep = lab.post("/pools", &[("poolid", "a/b/c/d")]);
    assert_eq!(
        deep.json()["errors"]["poolid"],
        "invalid format - pool name 'a/b/c/d' nested too deeply (max levels = 3)"
    );
}

#[test]
fn older_worlds_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("world.json");
    let mut lab = Setup {
        save_to: Some(&path),
        ..Setup::default()
    }
    .start();
    lab.done(&lab.post("/nodes/pve/qemu", &[("vmid", "100")]));
    lab.running.take().unwrap().stop().unwrap();
    let mut world: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    for key in ["groups", "realms", "kept"] {
        world.as_object_mut().unwrap().remove(key);
    }
    for user in world["users"].as_object_mut().unwrap().values_mut() {
        user.as_object_mut().unwrap().remove("expire");
    }
    for token in world["tokens"].as_object_mut().unwrap().values_mut() {
        token
            .as_object_mut()
            .unwrap()
            .retain(|key, _| matches!(key.as_str(), "secret" | "privsep"));
    }
    std::fs::write(&path, world.to_string()).unwrap();
    let world = hl_sim::World::load(&path).unwrap();
    assert!(world.vms.contains_key(&100));
}

//! Faults of a rehearsed node.

use super::is_root;
use super::sealed::{NODE, lab};

/// A rule holds inside, is said at the start, and one that met nothing at the end.
#[test]
fn a_rehearsed_node_fails_as_it_is_told_to() {
    if !is_root() {
        return;
    }
    let ask = format!(
        "set -eu\nfor path in nodes nodes version; do\n  curl -sS -o /dev/null -w '%{{http_code}} ' \
         --cacert \"$PVE_CA_FILE\" -H \"Authorization: PVEAPIToken=$PM_TOKEN_ID=$PM_TOKEN_SECRET\" \
         \"https://{NODE}:8006/api2/json/$path\" >>\"$SEEN\"\ndone\n"
    );
    let lab = lab(&[("look", &ask)]);
    let seen = lab.path("state/rehearsal/seen");
    lab.write(
        ".env",
        &format!(
            "PVE_ACCESS_HOST={NODE}\nPVE_NODE=n1\nSEEN={}\n",
            seen.display()
        ),
    );
    let ran = lab
        .hl("rehearse --fault")
        .arg("GET /nodes hit=1 status=500")
        .cmd("--fault")
        .arg("task=clone exit=no")
        .cmd("look")
        .exits(0);
    ran.says(&[
        "`GET /nodes hit=1 status=500`",
        "`task=clone exit=no` met nothing",
    ]);
    assert_eq!(std::fs::read_to_string(seen).unwrap(), "500 200 200 ");
    lab.hl("rehearse --fault")
        .arg("world=node-offline node=n9")
        .cmd("look")
        .exits(65)
        .says(&["there is no node `n9`"]);
}

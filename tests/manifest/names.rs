//! Names that a manifest, its nodes and its file may have.

use rstest::rstest;

use crate::site::stage::Stage;
use crate::support::TestLab;

fn manifest(name: &str, node: &str) -> String {
    format!(
        "schema_version: 2\nname: {name}\nnodes:\n  - {{name: {node}, type: vm, image: debian-13}}\n"
    )
}

#[rstest]
#[case("data", "edge", "`name` `data` is taken")]
#[case("m", "data", "`name` `data` is taken")]
#[case("../m", "edge", "`name` `../m` cannot be the name of a directory")]
#[case("m", "../edge", "`name` `../edge` is not a host name")]
#[case("m", "a.b", "`name` `a.b` is not a host name")]
#[case("m", "-a", "`name` `-a` is not a host name")]
fn names_that_cannot_keep_a_state_are_refused(
    #[case] name: &str,
    #[case] node: &str,
    #[case] said: &str,
) {
    let stage = Stage::example();
    stage.write("manifests/m.yaml", &manifest(name, node));
    stage.manifest("check m").exits(65).says(&[said]);
}

#[test]
fn a_file_of_another_name_is_a_warning() {
    let stage = Stage::example();
    stage.write("manifests/other.yaml", &manifest("mine", "edge"));
    stage.site("check").exits(0).says(&[
        "the manifest is called `mine` and its file `other.yaml`",
        "state is kept by the name",
    ]);
}

/// The state of an environment and of a manifest would lie in one directory.
#[test]
fn an_environment_keeps_its_name_live_and_in_a_rehearsal() {
    let lab = TestLab::empty();
    lab.write("site/manifests/dev-pve.yaml", &manifest("dev-pve", "edge"));
    lab.hl("manifest check dev-pve").exits(0);
    lab.write("state/rehearsal/.states/dev-pve/terraform.tfstate", "{}");
    lab.hl("manifest check dev-pve").exits(0);
    lab.write(".states/dev-pve/terraform.tfstate", "{}");
    for verb in ["check", "show", "graph"] {
        let ran = lab.hl(&format!("manifest {verb} dev-pve")).exits(65);
        ran.says(&["`name` `dev-pve` is taken", "choose another name"]);
    }
    // What the manifest itself keeps there is its own.
    lab.write(".states/m/pve/edge/terraform.tfstate", "{}");
    lab.write("site/manifests/m.yaml", &manifest("m", "edge"));
    lab.hl("manifest check m").exits(0);
}

//! What the real CLI and `hl` do together.

use hl::diag::{Exit, Failure};
use hl::lab::environment::DopplerUse;
use hl::lab::{Provenance, Redactor};

use super::api::Api;
use super::world::{TOKEN, World};

const SECRETS: &str = r#"{"PM_TOKEN_SECRET":"canary-secret\nof two lines","PVE_NODE":"pve7","GRAFANA":"canary-of-grafana","DEBUG":"true","PATH":"/nowhere","DOPPLER_PROJECT":"homelab","DOPPLER_ENVIRONMENT":"dev","DOPPLER_CONFIG":"dev"}"#;

/// The one finding of a failure, which must name both ways out.
fn only(failure: &Failure) -> &str {
    assert_eq!(failure.exit, Exit::Runway, "{failure}");
    assert_eq!(failure.diagnostics.len(), 1, "{failure}");
    let found = &failure.diagnostics[0];
    let help = hl::diag::Advice::joined(found.help.clone(), "\n").text(hl::diag::Commands::Live);
    assert!(
        help.contains("doppler setup") && help.contains("DOPPLER=0"),
        "{help}"
    );
    &found.message
}

#[test]
fn its_values_come_between_the_process_and_the_files() {
    let files = [(
        ".env",
        "PVE_NODE=from-file\nGRAFANA=from-file\nPVE_BRIDGE=vmbr3\n",
    )];
    let Some(mut world) = World::new(&files) else {
        return;
    };
    let api = Api::start("200 OK", SECRETS);
    world.set("DOPPLER_API_HOST", &api.host());
    world.set("DOPPLER_TOKEN", TOKEN);
    world.set("PVE_NODE", "pve7");
    let loaded = world.load().unwrap();
    let env = &loaded.env;
    let expected = [
        (
            "PM_TOKEN_SECRET",
            "canary-secret\nof two lines",
            &Provenance::Doppler,
            true,
        ),
        ("GRAFANA", "canary-of-grafana", &Provenance::Doppler, true),
        ("DEBUG", "true", &Provenance::Doppler, false),
        ("DOPPLER_CONFIG", "dev", &Provenance::Doppler, false),
        ("PVE_NODE", "pve7", &Provenance::Process, false),
        ("DOPPLER_TOKEN", TOKEN, &Provenance::Process, true),
    ];
    for (name, value, from, secret) in expected {
        let var = env.var(name).unwrap();
        assert_eq!(
            (var.value.as_str(), &var.from, var.secret),
            (value, from, secret),
            "{name}"
        );
    }
    assert_eq!(env.get("PVE_BRIDGE"), Some("vmbr3"));
    assert_ne!(env.get("PATH"), Some("/nowhere"));
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    assert_eq!(loaded.doppler, DopplerUse::Asked);
    let masked = Redactor::new(env.secrets()).text("a canary-of-grafana on pve7, of two lines");
    assert_eq!(masked, "a (secret) on pve7, (secret)");

    let requests = api.requests();
    assert_eq!(requests.len(), 1, "asked once");
    let line = &requests[0].line;
    assert!(
        line.starts_with("GET /v3/configs/config/secrets/download?"),
        "{line}"
    );
    assert!(
        line.contains("format=json") && line.contains("project= "),
        "{line}"
    );
    assert_eq!(requests[0].authorization, format!("Bearer {TOKEN}"));
    assert!(
        !requests[0].in_argv,
        "the token is in a process's arguments"
    );
}

#[test]
fn the_lab_names_project_and_config_and_a_variable_wins() {
    let files = [
        (
            "hl.toml",
            "[doppler]\nproject = \"attic\"\nconfig = \"prd\"\n",
        ),
        (".env", &format!("DOPPLER_TOKEN={TOKEN}\n")),
    ];
    let Some(mut world) = World::new(&files) else {
        return;
    };
    let api = Api::start("200 OK", SECRETS);
    world.set("DOPPLER_API_HOST", &api.host());
    world.load().unwrap();
    world.set("DOPPLER_CONFIG", "stg");
    world.load().unwrap();
    let lines: Vec<_> = api.requests().into_iter().map(|r| r.line).collect();
    for (line, config) in lines.iter().zip(["config=prd", "config=stg"]) {
        assert!(
            line.contains("project=attic") && line.contains(config),
            "{line}"
        );
    }
    assert_eq!(lines.len(), 2);
}

#[test]
fn where_it_differs_from_the_process_one_warning_names_variable_and_winner() {
    let Some(mut world) = World::new(&[]) else {
        return;
    };
    let api = Api::start("200 OK", SECRETS);
    world.set("DOPPLER_API_HOST", &api.host());
    world.set("DOPPLER_TOKEN", TOKEN);
    world.set("PVE_NODE", "mine");
    world.set("PM_TOKEN_SECRET", "canary-mine");
    world.set("DOPPLER_CONFIG", "other");
    let loaded = world.load().unwrap();
    assert_eq!(loaded.env.get("PVE_NODE"), Some("mine"));
    let said: Vec<_> = loaded.warnings.iter().map(|w| w.message.as_str()).collect();
    assert_eq!(
        said,
        [
            "Doppler and the process environment differ in `PM_TOKEN_SECRET`, `PVE_NODE`: the process environment wins"
        ]
    );
}

#[test]
fn a_wrong_token_is_named_with_its_place() {
    let files = [(".env", &*format!("# mine\nDOPPLER_TOKEN={TOKEN}\n"))];
    let Some(mut world) = World::new(&files) else {
        return;
    };
    let body = r#"{"messages":["Invalid Service token"],"success":false}"#;
    let api = Api::start("401 Unauthorized", body);
    world.set("DOPPLER_API_HOST", &api.host());
    let failure = world.load().unwrap_err();
    assert_eq!(
        only(&failure),
        "Doppler refuses the token in `DOPPLER_TOKEN` (.env:2): Invalid Service token"
    );
    // With `auto`, a set-up that does not work is still an error.
    std::fs::write(world.lab().join("hl.toml"), "[doppler]\nmode = \"auto\"\n").unwrap();
    only(&world.load().unwrap_err());
}

#[test]
fn without_login_the_way_in_is_named() {
    let Some(world) = World::new(&[]) else { return };
    let failure = world.load().unwrap_err();
    assert_eq!(only(&failure), "Doppler is on, but not logged in");
    assert!(failure.diagnostics[0].help[0].contains("doppler login"));
}

#[test]
fn without_a_project_the_set_up_is_named() {
    let Some(mut world) = World::new(&[]) else {
        return;
    };
    let body = r#"{"messages":["You must specify a project"],"success":false}"#;
    let api = Api::start("400 Bad Request", body);
    world.set("DOPPLER_API_HOST", &api.host());
    world.set("DOPPLER_TOKEN", TOKEN);
    let failure = world.load().unwrap_err();
    assert_eq!(
        only(&failure),
        "Doppler knows no such project or config: You must specify a project"
    );
}

#[test]
fn not_installed_names_the_way_around() {
    let Some(mut world) = World::new(&[]) else {
        return;
    };
    let empty = world.empty();
    world.set("PATH", empty.as_str());
    let failure = world.load().unwrap_err();
    assert_eq!(
        only(&failure),
        "Doppler is on, but `doppler` is not installed"
    );
}

#[test]
fn without_a_network_the_fallback_file_serves_with_a_warning() {
    let Some(mut world) = World::new(&[]) else {
        return;
    };
    world.set("DOPPLER_TOKEN", TOKEN);
    let message = only(&world.load().unwrap_err()).to_owned();
    assert!(
        message.starts_with("Doppler cannot be reached, and there is no fallback file: "),
        "{message}"
    );

    let api = Api::start("200 OK", SECRETS);
    world.set("DOPPLER_API_HOST", &api.host());
    world.load().unwrap();
    drop(api);
    let loaded = world.load().unwrap();
    assert_eq!(loaded.env.get("GRAFANA"), Some("canary-of-grafana"));
    assert_eq!(loaded.doppler, DopplerUse::Fallback);
    assert_eq!(loaded.warnings.len(), 1);
    let said = &loaded.warnings[0].message;
    assert!(
        said.starts_with("Doppler failed, and its fallback file is used: "),
        "{said}"
    );

    // An API that is there and broken is the same to the CLI.
    let broken = Api::start("503 Service Unavailable", "<html>down</html>");
    world.set("DOPPLER_API_HOST", &broken.host());
    assert_eq!(world.load().unwrap().doppler, DopplerUse::Fallback);
}

#[test]
fn it_is_asked_only_when_it_should_be() {
    let Some(mut world) = World::new(&[(".env", "DOPPLER=0\n")]) else {
        return;
    };
    let api = Api::start("200 OK", SECRETS);
    world.set("DOPPLER_API_HOST", &api.host());
    world.set("DOPPLER_TOKEN", TOKEN);
    let off = |world: &World| matches!(world.load().unwrap().doppler, DopplerUse::Off(_));
    assert!(off(&world), "`.env` turns it off");
    world.set("DOPPLER", "1");
    world.set("CI", "true");
    assert!(off(&world), "`CI` turns it off");
    std::fs::write(world.lab().join("hl.toml"), "[doppler]\nmode = \"off\"\n").unwrap();
    world.set("CI", "");
    world.set("DOPPLER", "");
    assert!(off(&world), "the mode turns it off");
    assert_eq!(api.requests().len(), 0);

    world.set("CI", "true");
    world.set("FORCE_DOPPLER", "1");
    assert_eq!(
        world.load_with(false).unwrap().doppler,
        DopplerUse::NotAsked
    );
    assert_eq!(api.requests().len(), 0);
    assert_eq!(world.load().unwrap().doppler, DopplerUse::Asked);
    assert_eq!(api.requests().len(), 1);
}

#[test]
fn auto_is_quiet_where_nobody_set_it_up() {
    let files = [("hl.toml", "[doppler]\nmode = \"auto\"\n")];
    let Some(mut world) = World::new(&files) else {
        return;
    };
    let off = |world: &World| matches!(world.load().unwrap().doppler, DopplerUse::Off(_));
    assert!(off(&world), "nobody is logged in");
    let empty = world.empty();
    world.set("PATH", empty.as_str());
    assert!(off(&world), "it is not installed");
}

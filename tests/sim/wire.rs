//! What every client depends on before it says anything about virtual machines.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::support::{TOKEN, lab, read, seed, template};

#[test]
fn an_answer_looks_like_the_nodes_own() {
    let lab = lab(&seed());
    let response = lab.request("GET", "/version").send().unwrap();
    let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "application/json;charset=UTF-8");
    assert_eq!(header("server"), "pve-api-daemon/3.0");
    assert_eq!(header("cache-control"), "max-age=0");
    assert!(!response.headers().contains_key("connection"));
    assert_eq!(response.version(), reqwest::Version::HTTP_11);
    let data = read(response).data();
    assert_eq!(data["release"], "9.1");
    assert!(data["version"].as_str().unwrap().starts_with("9.1."));
}

#[test]
fn the_status_line_carries_the_message() {
    let lab = lab(&seed());
    let response = lab
        .request("GET", "/nodes/pve/qemu/100/wings")
        .send()
        .unwrap();
    assert_eq!(response.headers()["connection"], "close");
    let reply = read(response);
    reply.fails(
        501,
        "Method 'GET /nodes/pve/qemu/100/wings' not implemented",
    );
    assert_eq!(reply.json()["data"], serde_json::Value::Null);
    assert!(reply.json()["message"].as_str().unwrap().ends_with('\n'));
    lab.get("/nodes/other/status").fails(
        500,
        "hostname lookup 'other' failed - failed to get address info for: other: Name or service \
         not known",
    );
}

#[test]
fn paths_are_decoded_once_and_slashes_collapse() {
    let lab = lab(&seed());
    assert_eq!(lab.get("//nodes//pve/version/").data()["release"], "9.1");
    assert_eq!(lab.get("/nodes%2Fpve/version").data()["release"], "9.1");
    lab.get("/nodes/%2570ve/version").fails(
        500,
        "hostname lookup '%70ve' failed - failed to get address info for: %70ve: Name or service \
         not known",
    );
    let bad = lab.get("/nodes/pve/tasks/UPID%3Apve/status");
    bad.fails(400, "Parameter verification failed.");
    assert_eq!(bad.json()["errors"]["upid"], "unable to parse worker upid");
}

#[test]
fn bodies_that_a_node_refuses() {
    let lab = lab(&seed());
    let large = "x".repeat(513 * 1024);
    read(
        lab.request("POST", "/nodes/pve/qemu")
            .body(large)
            .send()
            .unwrap(),
    )
    .fails(501, "for data too large");
    read(lab.request("GET", "/version").body("a=1").send().unwrap())
        .fails(501, "Unexpected content for method 'GET'");
    let stream = reqwest::blocking::Body::new(std::io::Cursor::new("a=1"));
    read(
        lab.request("POST", "/nodes/pve/qemu")
            .body(stream)
            .send()
            .unwrap(),
    )
    .fails(501, "chunked transfer encoding not supported");
    let odd = lab
        .request("POST", "/nodes/pve/qemu")
        .header("Content-Type", "text/xml")
        .body("<a/>");
    assert_eq!(read(odd.send().unwrap()).status, 506);
}

#[test]
fn unknown_and_missing_parameters_are_named() {
    let lab = lab(&seed());
    let reply = lab.get("/cluster/nextid?wings=2&vmid=7");
    reply.fails(400, "Parameter verification failed.");
    let errors = reply.json()["errors"].clone();
    assert!(
        errors["wings"]
            .as_str()
            .unwrap()
            .contains("not defined in schema")
    );
    assert_eq!(errors["vmid"], "value must have a minimum value of 100");
    let reply = read(lab.bare("POST", "/access/ticket").send().unwrap());
    assert_eq!(
        reply.json()["errors"]["username"],
        "property is missing and it is not optional"
    );
}

#[test]
fn the_path_may_be_repeated() {
    let lab = lab(&seed());
    template(&lab, 103);
    let config = "/nodes/pve/qemu/103/config";
    let form = [("tags", "tag1"), ("vmid", "103"), ("node", "pve")];
    lab.put(config, &form).data();
    assert_eq!(lab.get(config).data()["tags"], "tag1");
    let status = "/nodes/pve/qemu/103/status/current";
    assert_eq!(lab.get(&format!("{status}?vmid=103")).data()["vmid"], 103);
    let json = lab
        .request("PUT", config)
        .json(&serde_json::json!({"vmid": 103, "cores": 3}));
    read(json.send().unwrap()).data();
    lab.done(&lab.post(
        "/nodes/pve/qemu/103/clone",
        &[("vmid", "103"), ("newid", "110")],
    ));
    // Another value is not the path's, whatever else is wrong.
    for reply in [
        lab.put(config, &[("vmid", "104"), ("wings", "2")]),
        lab.put(config, &[("vmid", "0103")]),
        lab.get(&format!("{status}?vmid=104")),
    ] {
        reply.fails(400, "Parameter verification failed.");
        assert_eq!(
            reply.json()["errors"],
            serde_json::json!({
                "vmid": "duplicate parameter (already defined in URI) with conflicting values!"
            })
        );
    }
    let other = lab.get("/nodes/pve/status?node=other");
    other.fails(400, "Parameter verification failed.");
}

#[test]
fn a_browser_finds_a_page() {
    let lab = lab(&seed());
    let url = format!("https://{}/", lab.server().addr());
    let response = lab.client().get(&url).send().unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(
        response.headers()["content-type"],
        "text/html; charset=UTF-8"
    );
    let page = response.text().unwrap();
    assert!(
        page.contains("<title>pve - Proxmox Virtual Environment</title>"),
        "{page}"
    );
    assert_eq!(lab.client().head(&url).send().unwrap().status(), 200);
    let other = lab
        .client()
        .get(format!("{url}favicon.ico"))
        .send()
        .unwrap();
    assert_eq!(other.status(), 404);
}

#[test]
fn long_answers_are_packed_for_clients_that_take_it() {
    use std::io::Read as _;
    let lab = lab(&seed());
    let ask = |path: &str, accepted: &str| {
        let request = lab.request("GET", path).header("Accept-Encoding", accepted);
        let response = request.send().unwrap();
        let packed = response.headers().get("content-encoding").cloned();
        assert!(response.headers().contains_key("content-length"));
        (packed, response.bytes().unwrap())
    };
    let long = "/access/permissions";
    let (packed, plain) = ask(long, "identity");
    assert!(packed.is_none() && plain.len() > 1024);
    let (packed, bytes) = ask(long, "deflate, gzip, br");
    assert_eq!(packed.unwrap(), "gzip");
    assert!(bytes.len() < plain.len());
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(&bytes[..])
        .read_to_end(&mut text)
        .unwrap();
    assert_eq!(text, plain);
    assert!(ask("/version", "gzip").0.is_none());
}

#[test]
fn plain_http_is_sent_to_https() {
    let lab = lab(&seed());
    let addr = lab.server().addr();
    for (method, status) in [("GET", "301"), ("POST", "308")] {
        let mut stream = TcpStream::connect(addr).unwrap();
        write!(
            stream,
            "{method} /api2/json HTTP/1.1\r\nHost: pve.lab:8006\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
        assert!(
            answer.contains("Location: https://pve.lab:8006/api2/json\r\n"),
            "{answer}"
        );
    }
}

#[test]
fn a_connection_is_kept_for_many_calls() {
    let lab = lab(&seed());
    let mut stream = lab.tls();
    for _ in 0..50 {
        write!(
            stream,
            "GET /api2/json/version HTTP/1.1\r\nHost: pve.lab:8006\r\nAuthorization: PVEAPIToken={TOKEN}\r\n\r\n"
        )
        .unwrap();
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap().to_lowercase();
        assert!(head.starts_with("http/1.1 200 "), "{head}");
        let (_, length) = head.split_once("content-length: ").unwrap();
        let length = length.lines().next().unwrap().trim().parse().unwrap();
        stream.read_exact(&mut vec![0; length]).unwrap();
    }
}

#[test]
fn both_versions_of_tls_and_the_fingerprint() {
    let lab = lab(&seed());
    let ca = reqwest::Certificate::from_pem(lab.server().ca_pem().as_bytes()).unwrap();
    for version in [
        reqwest::tls::Version::TLS_1_2,
        reqwest::tls::Version::TLS_1_3,
    ] {
        let client = reqwest::blocking::Client::builder()
            .tls_certs_only([ca.clone()])
            .tls_version_min(version)
            .tls_version_max(version)
            .build()
            .unwrap();
        let url = lab.url("/access/domains");
        assert_eq!(client.get(url).send().unwrap().status(), 200);
    }
    let hex = lab.server().fingerprint().split(':').count();
    assert_eq!(hex, 32);
}

#[test]
fn requests_are_logged_and_counted() {
    let lab = lab(&seed());
    lab.get("/version").data();
    assert_eq!(lab.server().write_count(), 0);
    read(lab.bare("POST", "/nodes/pve/qemu").send().unwrap());
    let lines = lab.server().requests();
    assert_eq!(lab.server().write_count(), 1);
    assert_eq!(lines[0].path, "/version");
    assert_eq!(lines[0].who, "hl@pve!hl");
    assert_eq!((lines[1].status, lines[1].who.as_str()), (401, ""));
    assert!(lines[0].micros > 0);
}

"""Tests of the program that applies a spec. What changes the machine is below a
directory of its own, and programs only say that they were called; the controller is a
TLS server. APPLY names the program, CERT and KEY a certificate."""

import hashlib
import http.server
import importlib.util
import json
import os
import ssl
import tempfile
import threading
import types
import unittest


def load():
    spec = importlib.util.spec_from_file_location("apply", os.environ["APPLY"])
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


apply = load()

SETTINGS = {
    "server": "https://127.0.0.1:1",
    "identity": "edge",
    "fingerprint": "0" * 64,
    "name": "web",
    "admin": "ops",
    "posture": {
        "ssh": {"permit_root_login": "no", "password_authentication": "no"},
        "sudo": {"nopasswd": True},
        "fail2ban": {"enabled": False},
        "packages": ["htop"],
    },
}
SPEC = {
    "schema_version": 1,
    "identity": {"hostname": "edge", "domain": "lab.example"},
    "access": {
        "posture": "dev",
        "users": [
            {"name": "ana", "sudo": True, "ssh_keys": ["ssh-ed25519 AAAA ana"]},
            {"name": "guest"},
        ],
    },
    "platform": {
        "packages": ["nginx", "htop"],
        "services": {"enable": ["nginx"], "disable": ["rpcbind", "absent"]},
    },
    "config": {"timezone": "Europe/Lisbon"},
}


class Fake(apply.System):
    """A machine below a directory, with the packages and users that it was given."""

    def __init__(self, root):
        super().__init__(root)
        self.calls = []
        self.installed = {"sudo": "1.9"}
        self.users = {"ops": root + "/home/ops"}
        self.sudoers = []
        self.fails = None
        zone = self.path("/usr/share/zoneinfo/Europe")
        os.makedirs(zone)
        with open(zone + "/Lisbon", "w", encoding="utf-8"):
            pass

    def run(self, *argv):
        if self.fails and self.fails in argv:
            raise apply.Failed(f"`{argv[0]}`: no")
        if argv[0] == "dpkg-query":
            if argv[-1] not in self.installed:
                raise apply.Failed("no packages found")
            return "install ok installed " + self.installed[argv[-1]]
        if argv[:2] == ("systemctl", "cat"):
            if argv[2] == "absent":
                raise apply.Failed("No files found")
            return ""
        self.calls.append(" ".join(argv))
        if argv[0] == "apt-get" and "install" in argv:
            self.installed.update((name, "1") for name in argv[argv.index("--") + 1 :])
        if argv[0] == "useradd":
            self.users[argv[-1]] = "/home/" + argv[-1]
        if argv[0] == "usermod":
            self.sudoers.append(argv[-1])
        return ""

    def user(self, name):
        if name not in self.users:
            return None
        return types.SimpleNamespace(
            pw_uid=os.getuid(), pw_gid=os.getgid(), pw_dir="/home/" + name
        )

    def members(self, group):
        return self.sudoers if group == "sudo" else []


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.system = Fake(folder.name)

    def put(self, settings):
        self.system.write(apply.STATE + "/settings.json", json.dumps(settings))

    def applied(self):
        return json.loads(self.system.read(apply.STATE + "/applied"))

    def mode(self, name):
        return os.stat(self.system.path(name)).st_mode & 0o7777

    def become(self, spec=None, settings=None):
        spec = SPEC if spec is None else spec
        apply.Machine(self.system, settings or SETTINGS, spec).become()

    def changed(self, part, key, value):
        spec = json.loads(json.dumps(SPEC))
        spec[part][key] = value
        return spec


class Becomes(Case):
    def test_all_of_a_spec(self):
        self.become()
        read = self.system.read
        # The name of the spec is that of no machine.
        self.assertEqual(read("/etc/hostname"), "web\n")
        self.assertEqual(
            read("/etc/hosts"), "127.0.1.1 web.lab.example web\n127.0.0.1 localhost\n"
        )
        self.assertEqual(read("/etc/timezone"), "Europe/Lisbon\n")
        self.assertEqual(
            os.readlink(self.system.path("/etc/localtime")), "/usr/share/zoneinfo/Europe/Lisbon"
        )
        self.assertEqual(read("/home/ana/.ssh/authorized_keys"), "ssh-ed25519 AAAA ana\n")
        self.assertEqual(self.mode("/home/ana/.ssh/authorized_keys"), 0o600)
        self.assertEqual(self.mode("/home/ana/.ssh"), 0o700)
        self.assertEqual(read("/home/guest/.ssh/authorized_keys"), "")
        self.assertEqual(
            read("/etc/sudoers.d/90-hl"),
            "%sudo ALL=(ALL) NOPASSWD:ALL\nops ALL=(ALL) NOPASSWD:ALL\n",
        )
        self.assertEqual(self.mode("/etc/sudoers.d/90-hl"), 0o440)
        self.assertIn("PermitRootLogin no\n", read("/etc/ssh/sshd_config.d/10-hl.conf"))
        calls = self.system.calls
        install = next(call for call in calls if "install" in call)
        self.assertTrue(install.endswith("-- htop nginx"), install)
        self.assertEqual(self.system.sudoers, ["ops", "ana"])
        self.assertIn("systemctl enable --now nginx", calls)
        self.assertIn("systemctl disable --now rpcbind", calls)
        self.assertNotIn("systemctl disable --now absent", calls)
        self.assertIn("systemctl reload ssh", calls)

    def test_again_changes_nothing(self):
        self.become()
        first = len(self.system.calls)
        self.become()
        again = [call.split()[0] for call in self.system.calls[first:]]
        # What looks, and what is as it is to be already.
        self.assertEqual(set(again), {"visudo", "systemctl"})
        self.assertNotIn("systemctl reload ssh", self.system.calls[first:])

    def test_a_key_that_is_taken_out_is_taken_off(self):
        self.become()
        self.become(self.changed("access", "users", [{"name": "ana", "ssh_keys": []}]))
        self.assertEqual(self.system.read("/home/ana/.ssh/authorized_keys"), "")

    def test_a_name_of_its_own(self):
        spec = self.changed("identity", "hostname", "gate")
        spec["identity"].pop("domain")
        self.become(spec)
        self.assertEqual(self.system.read("/etc/hostname"), "gate\n")
        self.assertIn("127.0.1.1 gate\n", self.system.read("/etc/hosts"))

    def test_fail2ban_has_its_settings_before_it_starts(self):
        settings = json.loads(json.dumps(SETTINGS))
        settings["posture"]["fail2ban"]["enabled"] = True
        self.become(settings=settings)
        self.assertIn("[sshd]", self.system.read("/etc/fail2ban/jail.d/hl.conf"))
        install = next(call for call in self.system.calls if "install" in call)
        self.assertTrue(install.endswith("-- htop nginx fail2ban nftables python3-systemd"))
        self.assertEqual(self.system.calls[-1], "systemctl enable --now fail2ban")

    def test_what_a_spec_may_not_say(self):
        for spec, what in [
            (self.changed("identity", "hostname", "a b"), "hostname: "),
            (self.changed("config", "timezone", "../../etc/shadow"), "timezone: "),
            (self.changed("platform", "packages", ["-o=x"]), "packages: "),
            (self.changed("access", "users", [{"name": "-root"}]), "accounts: "),
            (self.changed("platform", "services", {"enable": ["--now"]}), "services: "),
            (
                self.changed("access", "users", [{"name": "ana", "ssh_keys": ["a\nb"]}]),
                "keys: ",
            ),
        ]:
            with self.assertRaises(apply.Failed) as caught:
                self.become(spec)
            self.assertTrue(str(caught.exception).startswith(what), caught.exception)

    def test_a_posture_that_is_none(self):
        settings = json.loads(json.dumps(SETTINGS))
        settings["posture"]["ssh"]["permit_root_login"] = "no\nMatch all"
        with self.assertRaises(apply.Failed):
            self.become(settings=settings)
        self.assertIsNone(self.system.read("/etc/ssh/sshd_config.d/10-hl.conf"))


    def test_what_sshd_does_not_take_is_taken_back_and_tried_again(self):
        own = "/etc/ssh/sshd_config.d/10-hl.conf"
        for fails in ["sshd", "reload"]:
            self.system.fails = fails
            with self.assertRaises(apply.Failed):
                self.become()
            self.assertIsNone(self.system.read(own))
        self.system.fails = None
        self.become()
        self.assertIn("systemctl reload ssh", self.system.calls)
        good = self.system.read(own)
        self.system.fails = "sshd"
        settings = json.loads(json.dumps(SETTINGS))
        settings["posture"]["ssh"]["permit_root_login"] = "yes"
        with self.assertRaises(apply.Failed):
            self.become(settings=settings)
        self.assertEqual(self.system.read(own), good)

    def test_a_name_that_was_not_taken_is_given_again(self):
        self.system.fails = "hostname"
        with self.assertRaises(apply.Failed):
            self.become()
        self.system.fails = None
        self.become()
        self.assertIn("hostname web", self.system.calls)
        self.assertEqual(self.system.read("/etc/hostname"), "web\n")


class Server:
    """A controller that answers with what it is given."""

    def __init__(self, answers):
        self.asked = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked.append((self.path, self.headers.get("Authorization")))
                status, body = answers.pop(0) if len(answers) > 1 else answers[0]
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(os.environ["CERT"], os.environ["KEY"])
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def settings(self):
        with open(os.environ["CERT"], encoding="ascii") as file:
            der = ssl.PEM_cert_to_DER_cert(file.read().split("-----END")[0] + "-----END CERTIFICATE-----\n")
        return dict(
            SETTINGS,
            server=f"https://127.0.0.1:{self.server.server_port}",
            fingerprint=hashlib.sha256(der).hexdigest(),
        )

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Asks(Case):
    def serve(self, *answers):
        server = Server(list(answers))
        self.addCleanup(server.close)
        return server

    def main(self):
        self.pauses = []
        return apply.main(self.system, self.pauses.append)

    def body(self):
        return json.dumps(SPEC, indent=2).encode() + b"\n"

    def test_what_was_asked_for_is_applied_and_told_by_its_digest(self):
        server = self.serve((200, self.body()))
        settings = server.settings()
        self.put(settings)
        self.system.write(apply.STATE + "/token", "t0k\n", 0o600)
        copy = "/var/lib/cloud/instances/i-1/vendor-data.txt"
        self.system.write(copy, "t0k")
        self.assertEqual(self.main(), 0)
        self.assertEqual(server.asked, [("/spec/edge", "Bearer t0k")])
        self.assertEqual(self.system.read(apply.STATE + "/spec.json").encode(), self.body())
        self.assertEqual(self.mode(apply.STATE + "/spec.json"), 0o600)
        told = self.applied()
        self.assertEqual(told["digest"], apply.digest(json.dumps(settings), self.body()))
        self.assertNotIn("failed", told)
        self.assertIsNone(self.system.read(copy))
        self.assertNotIn("t0k", self.system.read(apply.STATE + "/applied"))

    def test_another_certificate_is_told_nothing(self):
        server = self.serve((200, self.body()))
        self.put(dict(server.settings(), fingerprint="f" * 64))
        self.system.write(apply.STATE + "/token", "t0k\n", 0o600)
        self.assertEqual(self.main(), 1)
        self.assertEqual(server.asked, [])
        self.assertIn("expected " + "f" * 64, self.applied()["failed"])
        self.assertEqual(self.system.calls, [])

    def test_a_refusal_is_told_and_not_asked_again(self):
        body = json.dumps({"error": {"code": "E301", "message": "Invalid token"}}).encode()
        server = self.serve((403, body))
        self.put(server.settings())
        self.assertEqual(self.main(), 1)
        self.assertEqual(len(server.asked), 1)
        self.assertIn("(403): E301 Invalid token", self.applied()["failed"])

    def test_it_asks_again_where_that_may_help(self):
        server = self.serve((503, b"busy"), (429, b"{}"), (200, self.body()))
        self.put(server.settings())
        self.assertEqual(self.main(), 0)
        self.assertEqual(self.pauses, [apply.PAUSE] * 2)

    def test_it_asks_a_bounded_number_of_times(self):
        server = self.serve((200, self.body()))
        settings = server.settings()
        server.close()
        self.put(settings)
        self.assertEqual(self.main(), 1)
        self.assertEqual(len(self.pauses), apply.TRIES - 1)
        self.assertIn(f"asked {apply.TRIES} times", self.applied()["failed"])

    def test_what_failed_is_told_beside_what_was_applied_last(self):
        server = self.serve((200, self.body()))
        self.put(server.settings())
        self.assertEqual(self.main(), 0)
        before = self.applied()["digest"]
        self.system.fails = "visudo"
        self.assertEqual(self.main(), 1)
        told = self.applied()
        self.assertEqual(told["digest"], before)
        self.assertEqual(told["failed"], "sudo: `visudo`: no")

    def test_what_is_no_spec_is_not_applied(self):
        for body in [b"<html>", b"[]", b'{"schema_version": 2}']:
            server = self.serve((200, body))
            self.put(server.settings())
            self.assertEqual(self.main(), 1)
            self.assertIn("did not answer with a spec", self.applied()["failed"])
            self.assertIsNone(self.system.read(apply.STATE + "/spec.json"))

    def test_settings_that_are_none_are_told(self):
        for text, why in [("{", "JSONDecodeError"), ("[]", "TypeError"), ("{}", "KeyError")]:
            self.system.write(apply.STATE + "/settings.json", text)
            self.assertEqual(self.main(), 1)
            self.assertIn(why, self.applied()["failed"])

    def test_without_settings_there_is_nobody_to_ask(self):
        self.assertEqual(self.main(), 1)
        self.assertIn("settings.json", self.applied()["failed"])


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""Asks a controller for this machine's spec, and makes the machine what it says.

Only the standard library is used. All that is known of the controller is in
settings.json beside the state; the token, where there is one, in `token`. What was
done is in `applied`: the digest of what was applied, or what failed.
"""

import grp
import hashlib
import http.client
import json
import os
import pwd
import re
import ssl
import subprocess
import sys
import time
import urllib.parse

STATE = "/var/lib/hl-spec"
# Of a controller that does not answer, so often and with these pauses in seconds.
TRIES = 90
PAUSE = 10
TIMEOUT = 30
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# A spec is a page of text.
LONGEST = 4 << 20

SSHD = """# Written by hl.
PasswordAuthentication {password}
KbdInteractiveAuthentication no
PermitRootLogin {root}
X11Forwarding no
MaxAuthTries 4
"""
JAIL = """# Written by hl.
[sshd]
enabled = true
backend = systemd
banaction = nftables
"""
NAME = re.compile(r"^[a-z_][a-z0-9_-]{0,31}$")
LABEL = re.compile(r"^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$")
DOMAIN = re.compile(r"^[A-Za-z0-9.-]{1,253}$")
PACKAGE = re.compile(r"^[a-z0-9][a-z0-9+.-]+(=[A-Za-z0-9.+:~-]+)?$")
UNIT = re.compile(r"^[A-Za-z0-9][A-Za-z0-9:_.@-]*$")


class Failed(Exception):
    """What failed, in one line."""


class Later(Exception):
    """What may go well later."""


class System:
    """All that changes the machine, below `root`."""

    def __init__(self, root="/"):
        self.root = root

    def path(self, name):
        return os.path.join(self.root, name.lstrip("/"))

    def read(self, name):
        try:
            with open(self.path(name), encoding="utf-8") as file:
                return file.read()
        except FileNotFoundError:
            return None

    def write(self, name, text, mode=0o644, owner=None):
        """Replaces a file in one step; whether that changed anything."""
        path = self.path(name)
        try:
            same = self.read(name) == text and os.stat(path).st_mode & 0o7777 == mode
        except FileNotFoundError:
            same = False
        if same and owner is None:
            return False
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        new = path + ".new"
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), mode)
            if owner is not None:
                os.fchown(file.fileno(), *owner)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, path)
        return not same

    def remove(self, name):
        try:
            os.unlink(self.path(name))
        except FileNotFoundError:
            pass

    def is_file(self, name):
        return os.path.isfile(self.path(name))

    def link(self, name, target):
        path = self.path(name)
        if os.path.islink(path) and os.readlink(path) == target:
            return
        new = path + ".new"
        self.remove(name + ".new")
        os.symlink(target, new)
        os.replace(new, path)

    def directory(self, name, mode, owner):
        path = self.path(name)
        os.makedirs(path, mode=mode, exist_ok=True)
        if os.path.islink(path):
            raise Failed(f"`{name}` is a link")
        os.chmod(path, mode)
        os.chown(path, *owner)

    def run(self, *argv):
        """Runs a program; its last line is what failed."""
        env = dict(os.environ, DEBIAN_FRONTEND="noninteractive", LC_ALL="C", PATH=PATH)
        ran = subprocess.run(
            argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if ran.returncode != 0:
            lines = [line for line in (ran.stdout + ran.stderr).splitlines() if line.strip()]
            last = lines[-1].strip() if lines else f"exit code {ran.returncode}"
            raise Failed(f"`{' '.join(argv[:3])}`: {last}")
        return ran.stdout

    def works(self, *argv):
        try:
            self.run(*argv)
        except (Failed, OSError):
            return False
        return True

    def user(self, name):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            return None

    def members(self, group):
        try:
            return grp.getgrnam(group).gr_mem
        except KeyError:
            return []


def fetch(settings, token):
    """The spec as it was sent. The certificate is looked at before anything is said."""
    server = urllib.parse.urlsplit(settings["server"])
    if server.scheme != "https" or not server.hostname:
        raise Failed(f"`{settings['server']}` is no https address")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # The one certificate is known by its digest: no authority and no name counts.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    line = http.client.HTTPSConnection(
        server.hostname, server.port or 443, timeout=TIMEOUT, context=context
    )
    try:
        line.connect()
        shown = hashlib.sha256(line.sock.getpeercert(binary_form=True)).hexdigest()
        if shown != settings["fingerprint"]:
            raise Failed(
                f"the controller's certificate has SHA-256 {shown}, "
                f"expected {settings['fingerprint']}"
            )
        headers = {"Accept": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        path = server.path.rstrip("/") + "/spec/" + urllib.parse.quote(settings["identity"])
        line.request("GET", path, headers=headers)
        answer = line.getresponse()
        body = answer.read(LONGEST + 1)
    except (OSError, http.client.HTTPException) as error:
        raise Later(f"the controller does not answer: {error}") from error
    finally:
        line.close()
    if answer.status in (429, 502, 503, 504):
        raise Later(refusal(answer.status, body))
    if answer.status != 200:
        raise Failed(refusal(answer.status, body))
    if len(body) > LONGEST:
        raise Failed("the controller's answer is too long to be a spec")
    return body


def refusal(status, body):
    """What the controller said."""
    try:
        error = json.loads(body)["error"]
        said = f"{error['code']} {error['message']}"
    except (ValueError, KeyError, TypeError):
        said = "without a reason"
    said = "".join(c for c in said if c.isprintable())[:200]
    return f"the controller refuses the spec ({status}): {said}"


def mapping(value):
    return value if isinstance(value, dict) else {}


def texts(value):
    return [item for item in value or [] if isinstance(item, str)]


def all_of(pattern, items, what):
    for item in items:
        if not pattern.match(item):
            raise Failed(f"`{item}` is not the name of a {what}")
    return items


def unique(items):
    return list(dict.fromkeys(items))


class Machine:
    """A machine that becomes what a spec says. Each part may be applied again."""

    def __init__(self, system, settings, spec):
        self.system = system
        self.settings = settings
        self.identity = mapping(spec.get("identity"))
        self.access = mapping(spec.get("access"))
        self.platform = mapping(spec.get("platform"))
        self.config = mapping(spec.get("config"))
        posture = mapping(settings.get("posture"))
        self.ssh = mapping(posture.get("ssh"))
        self.nopasswd = mapping(posture.get("sudo")).get("nopasswd") is True
        self.fail2ban = mapping(posture.get("fail2ban")).get("enabled") is True
        self.wanted = texts(posture.get("packages")) + texts(self.platform.get("packages"))
        self.users = [user for user in self.access.get("users") or [] if mapping(user)]
        all_of(NAME, [settings["admin"]], "user")

    PARTS = ("hostname", "timezone", "packages", "accounts", "keys", "sudo", "services", "posture")

    def hostname(self):
        name = self.identity.get("hostname")
        if not name or name == self.settings["identity"]:
            # A spec that says none has its own name there, and many machines may share it.
            name = self.settings["name"]
        if not LABEL.match(name):
            raise Failed(f"`{name}` is not a host name")
        domain = self.identity.get("domain")
        if domain and not DOMAIN.match(domain):
            raise Failed(f"`{domain}` is not a domain")
        names = f"{name}.{domain} {name}" if domain else name
        if self.system.read("/etc/hostname") != name + "\n":
            # First, so that what fails here is done the next time.
            self.system.run("hostname", name)
            self.system.write("/etc/hostname", name + "\n")
        lines = (self.system.read("/etc/hosts") or "127.0.0.1 localhost\n").splitlines()
        lines = [line for line in lines if line.split()[:1] != ["127.0.1.1"]]
        self.system.write("/etc/hosts", "\n".join([f"127.0.1.1 {names}", *lines]) + "\n")

    def timezone(self):
        zone = self.config.get("timezone")
        if not zone:
            return
        path = os.path.normpath("/usr/share/zoneinfo/" + zone)
        if not path.startswith("/usr/share/zoneinfo/") or not self.system.is_file(path):
            raise Failed(f"there is no time zone `{zone}`")
        self.system.link("/etc/localtime", path)
        self.system.write("/etc/timezone", zone + "\n")

    def packages(self):
        wanted = ["sudo", *self.wanted]
        if self.fail2ban:
            # It starts when it is installed, and finds no log without these settings.
            self.system.write("/etc/fail2ban/jail.d/hl.conf", JAIL)
            wanted += ["fail2ban", "nftables", "python3-systemd"]
        wanted = all_of(PACKAGE, unique(wanted), "package")
        missing = [name for name in wanted if not self.has(name)]
        if not missing:
            return
        lock = ("-o", "DPkg::Lock::Timeout=600")
        self.system.run("apt-get", "-q", *lock, "update")
        install = ("apt-get", "-q", "-y", "--no-install-recommends", *lock, "install", "--")
        self.system.run(*install, *missing)

    def has(self, package):
        name, _, version = package.partition("=")
        try:
            shown = self.system.run("dpkg-query", "-W", "-f=${Status} ${Version}", name)
        except Failed:
            return False
        state, _, installed = shown.rpartition(" ")
        return state == "install ok installed" and version in ("", installed)

    def accounts(self):
        admin = self.settings["admin"]
        if self.system.user(admin) is not None and admin not in self.system.members("sudo"):
            self.system.run("usermod", "--append", "--groups", "sudo", "--", admin)
        for user in self.users:
            name = str(user.get("name"))
            all_of(NAME, [name], "user")
            if self.system.user(name) is None:
                self.system.run(
                    "useradd", "--create-home", "--user-group", "--shell", "/bin/bash", "--", name
                )
            if user.get("sudo") is True and name not in self.system.members("sudo"):
                self.system.run("usermod", "--append", "--groups", "sudo", "--", name)

    def keys(self):
        """Exactly the keys of the spec: one that is taken out is taken off."""
        for user in self.users:
            account = self.system.user(user["name"])
            owner = (account.pw_uid, account.pw_gid)
            keys = texts(user.get("ssh_keys"))
            if any("\n" in key for key in keys):
                raise Failed(f"a key of `{user['name']}` has more than one line")
            directory = account.pw_dir + "/.ssh"
            self.system.directory(directory, 0o700, owner)
            text = "".join(key + "\n" for key in keys)
            self.system.write(directory + "/authorized_keys", text, 0o600, owner)

    def sudo(self):
        admin = self.settings["admin"]
        word = "NOPASSWD:" if self.nopasswd else ""
        rules = f"%sudo ALL=(ALL) {word}ALL\n{admin} ALL=(ALL) NOPASSWD:ALL\n"
        draft = "/etc/sudoers.d/.90-hl"
        self.system.write(draft, rules, 0o440)
        try:
            self.system.run("visudo", "-cf", self.system.path(draft))
        finally:
            self.system.remove(draft)
        self.system.write("/etc/sudoers.d/90-hl", rules, 0o440)

    def services(self):
        services = mapping(self.platform.get("services"))
        for name in all_of(UNIT, texts(services.get("enable")), "service"):
            self.system.run("systemctl", "enable", "--now", name)
        for name in all_of(UNIT, texts(services.get("disable")), "service"):
            # One that does not exist does not run.
            if self.system.works("systemctl", "cat", name):
                self.system.run("systemctl", "disable", "--now", name)

    def posture(self):
        root = self.ssh.get("permit_root_login", "prohibit-password")
        password = self.ssh.get("password_authentication", "no")
        if root not in ("yes", "no", "prohibit-password", "forced-commands-only"):
            raise Failed(f"`{root}` is no way for root to log in")
        if password not in ("yes", "no"):
            raise Failed(f"`{password}` does not say whether passwords are taken")
        text = SSHD.format(root=root, password=password)
        own = "/etc/ssh/sshd_config.d/10-hl.conf"
        before = self.system.read(own)
        if self.system.write(own, text):
            try:
                self.system.run("sshd", "-t")
                self.system.run("systemctl", "reload", "ssh")
            except Failed:
                # What sshd does not take may not stay: nobody could log in after a restart,
                # and the next attempt would find nothing to do.
                self.system.remove(own)
                if before is not None:
                    self.system.write(own, before)
                raise
        if self.fail2ban:
            self.system.run("systemctl", "enable", "--now", "fail2ban")

    def become(self):
        """All parts, in their order; the first that fails is named."""
        for part in self.PARTS:
            try:
                getattr(self, part)()
            except (Failed, OSError, AttributeError, KeyError, TypeError) as error:
                raise Failed(f"{part}: {error}") from error


def digest(settings_text, body):
    """Changes with the spec, and with what the machine was told beside it."""
    whole = hashlib.sha256()
    whole.update(hashlib.sha256(settings_text.encode()).digest())
    whole.update(hashlib.sha256(body).digest())
    return whole.hexdigest()


def note(system, **fields):
    """Writes `applied`, which others may read: it holds no secret. What was applied
    last stays in it."""
    try:
        known = json.loads(system.read(STATE + "/applied") or "{}").get("digest")
    except (ValueError, AttributeError):
        known = None
    fields.setdefault("digest", known)
    fields["at"] = int(time.time())
    text = json.dumps(fields, sort_keys=True) + "\n"
    system.write(STATE + "/applied", text, 0o644)


def ask(system, settings, token, sleep):
    """Asks until there is an answer, a bounded number of times."""
    why = None
    for left in reversed(range(TRIES)):
        try:
            return fetch(settings, token)
        except Later as error:
            why = error
        if left:
            note(system, waiting=str(why))
            sleep(PAUSE)
    raise Failed(f"{why} (asked {TRIES} times)")


def forget_copies(system):
    """The first boot leaves copies of the token, which has its own file now."""
    folder = system.path("/var/lib/cloud/instances")
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        for copy in ("vendor-data.txt", "vendor-data.txt.i", "vendor-cloud-config.txt"):
            system.remove(f"/var/lib/cloud/instances/{name}/{copy}")


def main(system, sleep=time.sleep):
    """Once through; the exit code."""
    settings_text = system.read(STATE + "/settings.json")
    try:
        if settings_text is None:
            raise Failed(f"`{STATE}/settings.json` is missing")
        settings = json.loads(settings_text)
        token = (system.read(STATE + "/token") or "").strip()
        body = ask(system, settings, token, sleep)
        try:
            spec = json.loads(body)
        except ValueError as error:
            raise Failed(f"the controller did not answer with a spec: {error}") from error
        if not isinstance(spec, dict) or spec.get("schema_version") != 1:
            raise Failed("the controller did not answer with a spec")
        system.write(STATE + "/spec.json", body.decode(), 0o600)
        Machine(system, settings, spec).become()
        forget_copies(system)
    except (Failed, OSError, ValueError, AttributeError, KeyError, TypeError) as error:
        why = str(error) if isinstance(error, Failed) else f"{type(error).__name__}: {error}"
        print(f"error: {why}", file=sys.stderr)
        note(system, failed=why)
        return 1
    note(system, digest=digest(settings_text, body))
    print(f"applied the spec of {settings['identity']}")
    return 0


if __name__ == "__main__":
    sys.exit(main(System()))

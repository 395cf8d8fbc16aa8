"""Commands and files on nodes, by SSH."""
import os
import shlex
import subprocess


def options():
    chosen = ["-o", "BatchMode=yes", "-o", "ConnectTimeout=15"]
    chosen += ["-o", "UserKnownHostsFile=" + os.environ["HL_PLATFORM_KNOWN_HOSTS"]]
    # The first key of a machine is kept, another one is refused.
    chosen += ["-o", "StrictHostKeyChecking=accept-new", "-o", "HashKnownHosts=no"]
    key = os.environ.get("HL_PLATFORM_SSH_KEY")
    if key:
        chosen += ["-i", key, "-o", "IdentitiesOnly=yes"]
    return chosen


def run(user, node, script, text=None):
    """Runs a script of sh on a node, as root; its input is not seen by others."""
    sudo = "" if user == "root" else "sudo -n "
    command = ["ssh", *options(), f"{user}@{node['ip']}", sudo + "sh -euc " + shlex.quote(script)]
    done = subprocess.run(command, input=text, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"{node['name']}: ended with {done.returncode}: {script.splitlines()[0]}")
    return done.stdout


def put(user, node, source, target, mode):
    """Writes a file on a node, whole."""
    with open(source, "rb") as file:
        data = file.read()
    quoted = shlex.quote(target)
    script = f"mkdir -p \"$(dirname {quoted})\"; cat > {quoted}.new; chmod {mode} {quoted}.new; mv {quoted}.new {quoted}"
    sudo = "" if user == "root" else "sudo -n "
    command = ["ssh", *options(), f"{user}@{node['ip']}", sudo + "sh -euc " + shlex.quote(script)]
    if subprocess.run(command, input=data).returncode:
        raise SystemExit(f"{node['name']}: cannot write {target}")

# All that root of a simulated node could try against the simulator: at its socket, and in
# the directories that it reads. What worked is said, a line each.
import json, os, socket, subprocess, sys

SOCKET = "/run/hl/node.sock"
SNIPPETS = "/var/lib/vz/snippets"


def send(data, finish=True):
    stream = socket.socket(socket.AF_UNIX)
    stream.settimeout(60)
    stream.connect(SOCKET)
    answer = b""
    try:
        stream.sendall(data)
        if finish:
            stream.shutdown(socket.SHUT_WR)
        while chunk := stream.recv(65536):
            answer += chunk
    except OSError:
        pass
    return answer


def ask(*argv):
    answer = send(json.dumps({"argv": argv}).encode())
    return json.loads(answer) if answer else {"code": 255, "out": "", "err": ""}


def worked(what, yes):
    if yes:
        print("worked:", what)


def refused(what, action):
    try:
        action()
        worked(what, True)
    except OSError:
        pass


# The socket is there to be connected to, and for nothing else.
for what, action in {
    "its mode": lambda: os.chmod(SOCKET, 0),
    "its owner": lambda: os.chown(SOCKET, 1, 1),
    "its end": lambda: os.unlink(SOCKET),
    "another in its place": lambda: os.rename(SOCKET, "/run/hl/other"),
    "a mount over it": lambda: subprocess.run(["umount", SOCKET], check=True),
}.items():
    try:
        refused(what, action)
    except subprocess.CalledProcessError:
        pass

# No program but those of the node, no path of the machine, no other world.
for argv in [
    ["sh", "-c", "id"],
    ["/bin/sh"],
    ["../qm", "list"],
    [],
    ["qm", "importdisk", "100", "/etc/shadow", "local-lvm"],
    ["qm", "importdisk", "100", "local:iso/../../../../../etc/shadow", "local-lvm"],
    ["qm", "importdisk", "100", "/proc/self/root/etc/shadow", "local-lvm"],
    ["qm", "set", "100", "--cicustom", "user=/etc/shadow"],
    ["qm", "start", "100/../101"],
    ["pvesh", "get", "/nodes/../../etc/shadow"],
    ["pvesh", "get", "/nodes/other/qemu"],
    ["pvesh", "create", "/nodes/n1/storage/local/upload", "--content", "iso", "--filename", "/etc/x.iso"],
    ["pvesh", "get", "file:///etc/shadow"],
    ["qmrestore", "/etc/shadow", "102"],
    ["qmrestore", "local:backup/../../../../../etc/shadow", "102"],
    ["vzdump", "100", "--storage", "../../etc"],
    ["vzdump", "100", "--dumpdir", "/etc"],
    ["pct", "create", "300", "/etc/shadow"],
    ["pct", "restore", "300", "/proc/self/root/etc/shadow"],
    ["pct", "push", "100", "/etc/shadow", "/x"],
    ["pct", "pull", "100", "/etc/shadow", "/root/x"],
    ["pct", "push", "1", "/etc/shadow", "/x"],
    ["pveum", "realm", "sync", "pam"],
    ["x" * 100_000],
    ["qm"] + ["x"] * 100_000,
]:
    reply = ask(*argv)
    if argv[:4] == ["qm", "set", "100", "--cicustom"] and reply["code"] == 0:
        # It is a setting like another; the machine does not start with it.
        reply = ask("qm", "start", "100")
    worked(f"{argv[:5]}"[:200] + " " + str(reply)[:200], reply["code"] == 0)
    worked("reading a file of the machine", "root:" in reply["out"])
for junk in [b"", b"\0" * 1000, b"{" * 100_000, b"[" * 200_000, b'{"argv":' * 20_000, os.urandom(5000), b"x" * (32 << 20)]:
    answer = send(junk)
    worked("junk", answer and json.loads(answer)["code"] == 0)

# What is copied is a file, of the node or of a container, and not a large one.
ask("pvesm", "set", "local", "--content", "iso,import,snippets,vztmpl")
TEMPLATE = "debian-13-standard_13.1-2_amd64.tar.zst"
ask("pvesh", "create", "/nodes/n1/aplinfo", "--storage", "local", "--template", TEMPLATE)
made = ask("pct", "create", "200", "local:vztmpl/" + TEMPLATE, "--storage", "local-lvm", "--start", "1")
if made["code"] != 0:
    print("worked: nothing, for there is no container:", made)
os.mkfifo("/root/pipe")
os.symlink("/dev/zero", "/root/zeros")
with open("/root/huge", "wb") as huge:
    huge.truncate(1 << 38)
for name in ["/dev/zero", "/root/zeros", "/root/pipe", "/root/huge", "/root", "/run/hl/node.sock"]:
    worked("pushing " + name, ask("pct", "push", "200", name, "/root/x")["code"] == 0)
    worked("pulling to " + name, name != "/root/huge" and ask("pct", "pull", "200", "/etc/hostname", name)["code"] == 0)
ask("pct", "exec", "200", "--", "sh", "-c", "ln -s /dev/zero /root/zeros; mkfifo /root/pipe; truncate -s 1T /root/huge")
for name in ["/root/zeros", "/root/pipe", "/root/huge", "/../../../../etc/hl-no-such-file"]:
    worked("pulling " + name, ask("pct", "pull", "200", name, "/root/x")["code"] == 0)
for name in ["/root/pipe", "/root/zeros", "/root/huge"]:
    os.unlink(name)
ask("pct", "stop", "200")

# Many at once, and many that say nothing.
silent = []
for _ in range(200):
    stream = socket.socket(socket.AF_UNIX)
    stream.settimeout(60)
    stream.connect(SOCKET)
    silent.append(stream)
for stream in silent:
    try:
        while stream.recv(65536):
            pass
    except OSError:
        pass
    stream.close()
flood = [subprocess.Popen(["qm", "list"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(60)]
for process in flood:
    process.wait(120)

# What is no snippet is none: links, pipes, what is too large, too many, oddly named.
os.makedirs(SNIPPETS, exist_ok=True)
os.chdir(SNIPPETS)
os.symlink("/etc/shadow", "link.yaml")
os.symlink("/proc/1/root/etc/shadow", "root.yaml")
os.mkfifo("pipe.yaml")
with open("huge.yaml", "wb") as huge:
    huge.truncate(1 << 38)
with open(b"new\nline.yaml", "wb"), open("--help", "wb"), open(".hidden", "wb"):
    pass
with open("bytes.yaml", "wb") as odd:
    odd.write(b"\xff\xfe\0")
for number in range(2000):
    open(f"many-{number}.yaml", "w").close()
listed = ask("pvesh", "get", "/nodes/n1/storage/local/content", "--content", "snippets", "--output-format", "json")
names = [item["volid"].split("/")[1] for item in json.loads(listed["out"] or "[]")]
for name in ["link.yaml", "root.yaml", "pipe.yaml", "--help", ".hidden", "line.yaml"]:
    worked("a snippet " + name, name in names)
worked(f"{len(names)} snippets", len(names) > 500 or not names)
for name in os.listdir("."):
    if name.startswith("many-"):
        os.unlink(name)
for name in ["huge.yaml", "bytes.yaml", "link.yaml", "pipe.yaml"]:
    ask("qm", "set", "100", "--cicustom", "user=local:snippets/" + name)
    worked("a start with " + name, ask("qm", "start", "100")["code"] == 0)
ask("qm", "set", "100", "--delete", "cicustom")
for name in os.listdir("."):
    os.unlink(name)

# The directory itself leads elsewhere.
os.chdir("/")
os.rmdir(SNIPPETS)
os.symlink("/etc", SNIPPETS)
listed = ask("pvesh", "get", "/nodes/n1/storage/local/content", "--content", "snippets", "--output-format", "json")
worked("what the machine has in /etc", "machine-of-the-user" in listed["out"])
os.unlink(SNIPPETS)
os.mkdir(SNIPPETS)

# The programs that the simulator asks for are this node's own.
open("/usr/bin/find", "w").write("#!/bin/sh\nyes '9999999999999999999999 1 x'\n")
ask("pvesh", "get", "/nodes/n1/storage/local/content")
ended = ask("qm", "list")
worked("keeping the simulator from its work", ended["code"] != 0)
print("over")

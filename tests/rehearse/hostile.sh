#!/bin/sh
# All that root could try against the machine under a rehearsal. What worked is
# said, a line each. Arguments: a file that must not be there (empty in a guest,
# whose files are its own), process ids and sockets of the machine.
marker=${1-}
[ $# = 0 ] || shift
worked() { what=$1; shift; if "$@" >/dev/null 2>&1; then echo "worked: $what"; fi; }
for target in "$@"; do
    case $target in
    /*) worked "connecting to $target" python3 -c '
import socket, sys
socket.socket(socket.AF_UNIX).connect(sys.argv[1])' "$target" ;;
    *) worked "ending process $target" kill -9 "$target" ;;
    esac
done
python3 - <<'PYTHON'
import fcntl, glob, os, termios
paths = ["/dev/tty", "/dev/console"] + glob.glob("/dev/pts/[0-9]*") + glob.glob("/proc/[0-9]*/fd/*")
for path in paths:
    try:
        terminal = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError as error:
        if path == "/dev/tty":
            print("a terminal:", os.strerror(error.errno))
        continue
    if not os.isatty(terminal):
        continue
    os.write(terminal, b"HOSTILE TEXT")
    print("worked: writing to", path)
    for letter in b"HOSTILE INPUT\n":
        try:
            fcntl.ioctl(terminal, termios.TIOCSTI, bytes([letter]))
            print("worked: typing into", path)
        except OSError:
            break
PYTHON
worked "a user namespace" unshare --user --map-root-user true
for what in "-t cgroup2 none" "-t cgroup -o none,name=systemd none"; do
    worked "mounting $what" unshare -UrmC sh -c "mount $what /mnt && mkdir /mnt/hl-hostile"
    worked "mounting $what as root" sh -c "mount $what /mnt && mkdir /mnt/hl-hostile"
done
for directory in /sys/fs/cgroup /sys/fs/cgroup/unified /sys/fs/cgroup/systemd; do
    worked "a group in $directory" mkdir "$directory/hl-hostile"
done
worked "mounting" mount -t tmpfs none /mnt
worked "mounting anew" mount -o remount,rw,bind /
worked "a block device" mknod "${TMPDIR:-/tmp}/disk" b 8 0
worked "memory" mknod "${TMPDIR:-/tmp}/memory" c 1 1
worked "a setting of the kernel" sh -c 'echo 1 >/proc/sys/vm/swappiness'
worked "sysrq" sh -c 'echo h >/proc/sysrq-trigger'
worked "the kernel's log" sh -c 'head -c 1 /proc/kmsg | grep -q .'
if [ -n "$marker" ]; then
    worked "the file system of process 1" touch "/proc/1/root$marker"
    worked "writing $marker" touch "$marker"
fi
chmod 0600 /dev/full /dev/zero /dev/tty
chown 12345 /dev/full /dev/zero
echo over

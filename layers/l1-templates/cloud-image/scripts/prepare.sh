#!/bin/sh
# Updates the machine and installs what every clone of it has. Runs as root.
set -eu
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=a

# cloud-init is still at work when sshd already answers, and holds apt's lock.
# 2 means done with warnings, which the vendor's own settings cause.
if command -v cloud-init >/dev/null 2>&1; then
  code=0
  cloud-init status --wait >/dev/null || code=$?
  if [ "$code" -ne 0 ] && [ "$code" -ne 2 ]; then
    echo "cloud-init did not succeed:" >&2
    cloud-init status --long >&2 || true
    exit 1
  fi
fi

apt() {
  apt-get -q -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confold "$@"
}

apt update
apt -y dist-upgrade
apt -y --no-install-recommends install qemu-guest-agent sudo

#!/bin/sh
# What a machine must not have from the one it is copied of. Powers off at its end:
# the user that is logged in is gone by then.
set -eu
cloud-init clean --logs --seed
rm -f /etc/ssh/ssh_host_* /etc/sudoers.d/90-cloud-init-users /tmp/clean.sh
: >/etc/machine-id
rm -f /var/lib/dbus/machine-id
apt-get clean
userdel -rf packer || true
sync
systemctl poweroff

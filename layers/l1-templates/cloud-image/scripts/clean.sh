#!/bin/sh
# Takes away what must not be the same in every clone, and what is only weight.
# Runs as root, last.
set -eu

# The next boot is a first boot: new host keys, a new machine id, new users.
if command -v cloud-init >/dev/null 2>&1; then
  cloud-init clean --logs --seed
fi
rm -f /etc/ssh/ssh_host_*_key /etc/ssh/ssh_host_*_key.pub
: >/etc/machine-id
rm -f /var/lib/dbus/machine-id
ln -s /etc/machine-id /var/lib/dbus/machine-id 2>/dev/null || true
rm -f /var/lib/systemd/random-seed /etc/hostname
rm -f /etc/netplan/50-cloud-init.yaml /etc/network/interfaces.d/50-cloud-init*

# The user of this build stays, locked, and may no more than any other.
rm -f /etc/sudoers.d/90-cloud-init-users

# The key of this build opens no clone.
for home in /root /home/*; do
  if [ -f "$home/.ssh/authorized_keys" ]; then
    : >"$home/.ssh/authorized_keys"
  fi
  rm -f "$home/.bash_history"
done

apt-get -q -y autoremove --purge
apt-get -q clean
rm -rf /var/lib/apt/lists/*
find /var/log -type f -exec truncate -s 0 {} +
rm -rf /tmp/hl-* /var/tmp/hl-*

if command -v fstrim >/dev/null 2>&1; then
  fstrim -a >/dev/null 2>&1 || true
fi
sync

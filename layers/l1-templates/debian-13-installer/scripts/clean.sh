#!/bin/sh
# Makes the installed system fit to be cloned. Runs as root, last.
set -eu

# The build's user, whose password everybody knows: locked, and without sudo.
passwd -l installer
rm -f /etc/sudoers.d/90-installer

# Addresses are cloud-init's business from here on.
cat >/etc/network/interfaces <<'EOF'
source /etc/network/interfaces.d/*
auto lo
iface lo inet loopback
EOF

cloud-init clean --logs --seed
rm -f /etc/ssh/ssh_host_*_key /etc/ssh/ssh_host_*_key.pub
: >/etc/machine-id
rm -f /var/lib/dbus/machine-id /var/lib/systemd/random-seed
apt-get -q -y autoremove --purge
apt-get -q clean
rm -rf /var/lib/apt/lists/*
sync

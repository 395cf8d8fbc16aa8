#!/bin/sh
# Makes OUT/base.qcow2, OUT/vmlinuz and OUT/initrd: a Debian that sshd runs on, and hardly
# anything else. As root: base.sh OUT SUITE KERNEL-PACKAGE FILES SOURCES
set -eu
out=$1 suite=$2 kernel=$3 files=$4 sources=$5
tree=$out/tree
TMPDIR=$out mmdebstrap --mode=root --variant=minbase \
  --include="$kernel,openssh-server,iproute2,kmod" \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/info/*' \
  "$suite" "$tree" "$sources"
echo root:packer | chroot "$tree" /usr/sbin/chpasswd
install -m 755 "$files/boot" "$files/off" "$tree/usr/local/sbin/"
sed -i 's/^#*PermitRootLogin.*/PermitRootLogin yes/' "$tree/etc/ssh/sshd_config"
cat "$tree"/boot/vmlinuz-* >"$out/vmlinuz"
cat "$tree"/boot/initrd.img-* >"$out/initrd"
rm -rf "$tree"/boot/*
mke2fs -q -t ext4 -d "$tree" "$out/base.raw" 600M
rm -rf "$tree"
qemu-img convert -O qcow2 "$out/base.raw" "$out/base.qcow2"
rm -f "$out/base.raw"

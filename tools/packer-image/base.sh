#!/bin/sh
# Makes OUT/base.qcow2, OUT/vmlinuz and OUT/initrd: a Debian that sshd runs on, and hardly
# anything else. As root: base.sh OUT SUITE KERNEL-PACKAGE FILES SOURCES
set -eu
out=$1 suite=$2 kernel=$3 files=$4 sources=$5
export out files TMPDIR="$out"
mmdebstrap --mode=root --variant=minbase \
  --include="$kernel,openssh-server,iproute2,kmod" \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/info/*' \
  --customize-hook='echo root:packer | chroot "$1" chpasswd' \
  --customize-hook='install -m 755 "$files/boot" "$files/off" "$1/usr/local/sbin/"' \
  --customize-hook='sed -i "s/^#*PermitRootLogin.*/PermitRootLogin yes/" "$1/etc/ssh/sshd_config"' \
  --customize-hook='cat "$1"/boot/vmlinuz-* >"$out/vmlinuz"; cat "$1"/boot/initrd.img-* >"$out/initrd"' \
  --customize-hook='rm -rf "$1"/boot/* "$1"/var/cache/apt/* "$1"/var/lib/apt/lists/*' \
  --customize-hook='mke2fs -q -t ext4 -d "$1" "$out/base.raw" 600M' \
  --format=null "$suite" /dev/null "$sources"
qemu-img convert -O qcow2 "$out/base.raw" "$out/base.qcow2"
rm -f "$out/base.raw"

# shellcheck shell=bash
# The stand-ins for Proxmox VE's packages that rehearsal guests install: the real
# names, units and programs, and nothing of the real content. They lie in a
# repository of the real layout, signed by a key that is made for it, so that a
# playbook is given this repository and its key as it is given Proxmox's own.

# What each suite has: release of its kernel, version of its pve-manager.
declare -A PVE_KERNEL=([bookworm]=6.8.12-4-pve [trixie]=6.14.11-4-pve)
declare -A PVE_MANAGER=([bookworm]=8.4.1 [trixie]=9.1.2)

# pve_deb POOL NAME VERSION DEPENDS TREE: builds a package of what lies in TREE.
pve_deb() {
  local pool=$1 name=$2 version=$3 depends=$4 tree=$5
  mkdir -p "$tree/DEBIAN"
  {
    printf 'Package: %s\nVersion: %s\nArchitecture: all\n' "$name" "$version"
    printf 'Maintainer: homelab-hl <root@localhost>\nSection: admin\nPriority: optional\n'
    [ -z "$depends" ] || printf 'Depends: %s\n' "$depends"
    printf 'Description: stand-in for %s in rehearsals\n' "$name"
    printf ' Has the name, and of the content what a playbook looks at.\n'
  } >"$tree/DEBIAN/control"
  (cd "$tree" && find etc -type f 2>/dev/null | sed 's,^,/,') >"$tree/DEBIAN/conffiles"
  [ -s "$tree/DEBIAN/conffiles" ] || rm -f "$tree/DEBIAN/conffiles"
  find "$tree" -type d -exec chmod 755 {} +
  find "$tree" -type f -exec chmod u=rwX,go=rX {} +
  logged guest-packages dpkg-deb --root-owner-group -Zgzip --build "$tree" \
    "$pool/${name}_${version}_all.deb" || return 1
  rm -rf -- "$tree"
}

# pve_program TREE PATH TEXT: a program of a package.
pve_program() {
  mkdir -p "$1/$(dirname "$2")"
  printf '#!/bin/sh\n%s\n' "$3" >"$1/$2"
  chmod 755 "$1/$2"
}

# pve_unit TREE NAME AFTER COMMAND
pve_unit() {
  mkdir -p "$1/usr/lib/systemd/system"
  cat >"$1/usr/lib/systemd/system/$2.service" <<UNIT
[Unit]
Description=$2 (stand-in)
After=$3

[Service]
Type=oneshot
RemainAfterExit=yes
$4

[Install]
WantedBy=multi-user.target
UNIT
}

# pve_scripts TREE UNIT...: units that are enabled and started as packages do it.
pve_scripts() {
  local tree=$1
  shift
  mkdir -p "$tree/DEBIAN"
  # shellcheck disable=SC2016 # it is the script's own argument
  printf '#!/bin/sh\nset -e\n[ "$1" = configure ] || exit 0\nfor unit in %s; do\n  systemctl enable "$unit"\n  systemctl start "$unit"\ndone\n' "$*" \
    >"$tree/DEBIAN/postinst"
  chmod 755 "$tree/DEBIAN/postinst"
}

# pve_cluster POOL VERSION: the unit asks for the node's own world, when the name of
# the host leads to an address that is not a loopback one, as pmxcfs wants it.
pve_cluster() {
  local pool=$1 version=$2 tree=$1/tree file
  # shellcheck disable=SC2016 # the program's own
  pve_program "$tree" usr/lib/hl-stand-ins/pve-cluster 'name=$(cat /proc/sys/kernel/hostname)
if ! getent ahosts "$name" | grep -qvE "^(127[.]|::1 )"; then
  echo "pve-cluster: $name does not lead to an address that is not loopback: see /etc/hosts" >&2
  exit 1
fi
exec /run/hl/hl __node-world'
  pve_unit "$tree" pve-cluster network.target 'ExecStart=/usr/lib/hl-stand-ins/pve-cluster'
  mkdir -p "$tree/etc/pve/local"
  for file in pve-root-ca.pem local/pve-ssl.pem; do
    ln -s "/run/hl/node/$(basename "$file")" "$tree/etc/pve/$file"
  done
  # shellcheck disable=SC2016 # the program's own
  # The rehearsal makes the certificate, for the names and addresses that there are.
  pve_program "$tree" usr/bin/pvecm 'case ${1:-} in
updatecerts) systemctl restart pve-cluster ;;
*) echo "pvecm: this is a stand-in, and has updatecerts alone" >&2; exit 255 ;;
esac'
  pve_scripts "$tree" pve-cluster
  pve_deb "$pool" pve-cluster "$version" "" "$tree"
}

# pve_manager POOL SUITE VERSION
pve_manager() {
  local pool=$1 suite=$2 version=$3 tree=$1/tree name path
  for path in sbin/qm sbin/pct sbin/pvesm sbin/pveum bin/pvesh; do
    name=$(basename "$path")
    pve_program "$tree" "usr/$path" "exec /run/hl/hl __node $name \"\$@\""
  done
  pve_program "$tree" usr/bin/pveversion \
    "echo \"pve-manager/${version%+*}/0000000000000000 (running kernel: \$(cat /proc/sys/kernel/osrelease))\""
  # What the real package drops into /etc: without a subscription, apt fails with it.
  mkdir -p "$tree/etc/apt/sources.list.d" "$tree/usr/share/hl-stand-ins"
  if [ "$suite" = bookworm ]; then
    printf 'deb https://enterprise.proxmox.com/debian/pve bookworm pve-enterprise\n' \
      >"$tree/etc/apt/sources.list.d/pve-enterprise.list"
  else
    printf 'Types: deb\nURIs: https://enterprise.proxmox.com/debian/pve\nSuites: trixie\nComponents: pve-enterprise\nSigned-By: /usr/share/keyrings/proxmox-archive-keyring.gpg\n' \
      >"$tree/etc/apt/sources.list.d/pve-enterprise.sources"
  fi
  printf '%s\n' "${version%+*}" >"$tree/usr/share/hl-stand-ins/pve-manager"
  pve_program "$tree" usr/lib/hl-stand-ins/api 'exec bash -c ": </dev/tcp/127.0.0.1/8006"'
  for name in pvedaemon pveproxy pvestatd; do
    pve_unit "$tree" "$name" pve-cluster.service 'ExecStart=/usr/lib/hl-stand-ins/api'
  done
  pve_scripts "$tree" pvedaemon pveproxy pvestatd
  pve_deb "$pool" pve-manager "$version" "pve-cluster, ifupdown2, proxmox-widget-toolkit" "$tree"
}

# pve_toolkit POOL VERSION: the file that shows the notice of a missing subscription.
pve_toolkit() {
  local tree=$1/tree
  mkdir -p "$tree/usr/share/javascript/proxmox-widget-toolkit"
  cat >"$tree/usr/share/javascript/proxmox-widget-toolkit/proxmoxlib.js" <<'JS'
// Stand-in: the one condition that a node's notice depends on.
if (res === null || res === undefined || !res || res.data.status.toLowerCase() !== 'active') { show(); }
JS
  pve_deb "$1" proxmox-widget-toolkit "$2" "" "$tree"
}

# pve_suite DIR SUITE: its packages and its index.
pve_suite() {
  local dir=$1 suite=$2 version kernel pool tree dist
  version=${PVE_MANAGER[$suite]}+stub1 kernel=${PVE_KERNEL[$suite]}
  pool=$dir/pool/$suite tree=$dir/pool/$suite/tree
  dist=$dir/dists/$suite
  mkdir -p "$pool" "$dist/pve-no-subscription/binary-$(dpkg --print-architecture)"
  mkdir -p "$tree/usr/share/hl-stand-ins"
  printf '%s\n' "$kernel" >"$tree/usr/share/hl-stand-ins/kernel"
  pve_deb "$pool" "proxmox-kernel-$kernel-signed" "$version" "" "$tree" || return 1
  pve_deb "$pool" proxmox-default-kernel "$version" "proxmox-kernel-$kernel-signed" "$tree" || return 1
  pve_cluster "$pool" "$version" || return 1
  pve_toolkit "$pool" "$version" || return 1
  pve_manager "$pool" "$suite" "$version" || return 1
  pve_deb "$pool" proxmox-ve "$version" "pve-manager, proxmox-default-kernel" "$tree" || return 1
  pve_deb "$pool" postfix "3.0+stub1" "" "$tree" || return 1
  pve_deb "$pool" open-iscsi "2.1+stub1" "" "$tree" || return 1
  pve_index "$dir" "$suite"
}

# pve_index DIR SUITE: Packages, Release and InRelease.
pve_index() {
  local deb file arch
  arch=$(dpkg --print-architecture)
  (
    cd "$1" || exit 1
    for deb in "pool/$2"/*.deb; do
      dpkg-deb --field "$deb"
      printf 'Filename: %s\nSize: %s\nSHA256: %s\n\n' "$deb" \
        "$(stat -c %s "$deb")" "$(sha256sum <"$deb" | cut -d ' ' -f 1)"
    done >"dists/$2/pve-no-subscription/binary-$arch/Packages"
    cd "dists/$2" || exit 1
    {
      printf 'Origin: homelab-hl\nLabel: stand-ins of rehearsals\nSuite: %s\nCodename: %s\n' "$2" "$2"
      printf 'Date: %s\nArchitectures: %s\nComponents: pve-no-subscription\nSHA256:\n' \
        "$(LC_ALL=C date -u '+%a, %d %b %Y %H:%M:%S UTC')" "$arch"
      file=pve-no-subscription/binary-$arch/Packages
      printf ' %s %s %s\n' "$(sha256sum <"$file" | cut -d ' ' -f 1)" "$(stat -c %s "$file")" "$file"
    } >Release
  )
}

# guest_pve DIR: DIR/pve with both suites, the key (key.gpg) and its fingerprint.
guest_pve() {
  local dir=$1/pve home suite
  command -v gpg >/dev/null || { say "      stand-ins for Proxmox VE need gpg"; return 1; }
  mkdir -p "$dir"
  home=$(mktemp -d)
  chmod 700 "$home"
  logged guest-packages gpg --homedir "$home" --batch --passphrase '' \
    --quick-generate-key 'Rehearsal (stand-ins, no real packages) <root@localhost>' rsa3072 sign never || return 1
  for suite in bookworm trixie; do
    pve_suite "$dir" "$suite" || return 1
    logged guest-packages gpg --homedir "$home" --batch --yes --digest-algo SHA256 --clearsign \
      --output "$dir/dists/$suite/InRelease" "$dir/dists/$suite/Release" || return 1
  done
  gpg --homedir "$home" --quiet --batch --export >"$dir/key.gpg"
  gpg --homedir "$home" --quiet --batch --with-colons --fingerprint 2>/dev/null | awk -F: '$1 == "fpr" { print $10; exit }' >"$dir/fingerprint"
  gpgconf --homedir "$home" --kill all >/dev/null 2>&1 || true
  rm -rf -- "$home"
  printf '%s\n' proxmox-ve proxmox-default-kernel pve-manager pve-cluster proxmox-widget-toolkit postfix open-iscsi >>"$1/stubs.txt"
}

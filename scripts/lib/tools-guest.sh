# shellcheck shell=bash
# The apt repository that rehearsal guests install from: real packages of this
# host's release, and one stub. A flat repository, to be used as
# `deb [trusted=yes] file:DIR ./`. No root is needed for any of this.

guest_names() { sed -e 's/#.*//' -e 's/[[:space:]]*$//' -e '/^$/d' "$ROOT/tools/guest-packages.txt"; }

# guest_wanted APT_OPTION...: NAME=VERSION of each listed package and of what it
# depends on and this host lacks. Guests share the host's userland, so the rest
# is there. Listed packages that the host has are wanted as well.
guest_wanted() {
  local names plan
  mapfile -t names < <(guest_names)
  plan=$(LC_ALL=C apt-get "$@" install --simulate -qq --no-install-recommends "${names[@]}") || return 1
  {
    sed -nE 's/^Inst ([^ ]+) (\[[^]]*\] )?\(([^ ]+) .*/\1=\3/p' <<<"$plan"
    LC_ALL=C apt-cache "$@" policy "${names[@]}" \
      | awk '/^[^ ]/ { sub(/:$/, ""); name = $1 } $1 == "Candidate:" { print name "=" $2 }'
  } | sort -u
}

# guest_fetch DIR APT_OPTION...: downloads into DIR/pool.
guest_fetch() {
  local dir=$1 wanted
  shift
  guest_wanted "$@" >"$dir/wanted" 2>>"$PREFIX/logs/guest-packages.log" || return 1
  mapfile -t wanted <"$dir/wanted"
  [ ${#wanted[@]} -gt 0 ] || return 1
  logged guest-packages env -C "$dir/pool" \
    apt-get "$@" -q -o APT::Sandbox::User=root -o Acquire::Retries=2 download "${wanted[@]}"
}

# guest_stub DIR: a qemu-guest-agent with the real names and nothing to do. The
# simulator answers for the agent, and a guest has no virtio port to it.
guest_stub() {
  local tree=$1/stub pool=$1/pool
  mkdir -p "$tree/DEBIAN" "$tree/usr/sbin" "$tree/lib/systemd/system"
  cat >"$tree/DEBIAN/control" <<'CONTROL'
Package: qemu-guest-agent
Version: 1:0.0+stub1
Architecture: all
Maintainer: homelab-hl <root@localhost>
Section: admin
Priority: optional
Description: stand-in for the QEMU guest agent in rehearsals
 Has the unit and the program of the real package. The program waits: the
 simulator answers for the agent.
CONTROL
  cat >"$tree/usr/sbin/qemu-ga" <<'PROGRAM'
#!/bin/sh
# Stand-in for the QEMU guest agent in rehearsals: waits until it is stopped.
case ${1:-} in
-V | --version) echo "QEMU Guest Agent 0.0 (stub)" ;;
*) exec sleep infinity ;;
esac
PROGRAM
  cat >"$tree/lib/systemd/system/qemu-guest-agent.service" <<'UNIT'
[Unit]
Description=QEMU Guest Agent (stand-in)

[Service]
ExecStart=/usr/sbin/qemu-ga
Restart=always

[Install]
WantedBy=multi-user.target
UNIT
  find "$tree" -type d -exec chmod 755 {} +
  chmod 644 "$tree/DEBIAN/control" "$tree/lib/systemd/system/qemu-guest-agent.service"
  chmod 755 "$tree/usr/sbin/qemu-ga"
  logged guest-packages dpkg-deb --root-owner-group -Zgzip --build "$tree" \
    "$pool/qemu-guest-agent_0.0+stub1_all.deb" || return 1
  rm -rf -- "$tree"
  printf '%s\n' qemu-guest-agent >"$1/stubs.txt"
}

# guest_index DIR: Packages, Packages.gz and Release by the format that
# apt-ftparchive(1) and the Debian repository format page give.
guest_index() {
  local deb file
  (
    cd "$1" || exit 1
    for deb in pool/*.deb; do
      dpkg-deb --field "$deb"
      printf 'Filename: ./%s\nSize: %s\nMD5sum: %s\nSHA256: %s\n\n' "$deb" \
        "$(stat -c %s "$deb")" "$(md5sum <"$deb" | cut -d ' ' -f 1)" "$(sha256sum <"$deb" | cut -d ' ' -f 1)"
    done >Packages
    gzip -9nk Packages
    {
      printf 'Origin: homelab-hl\nLabel: rehearsal guests\nDate: %s\nArchitectures: all %s\nSHA256:\n' \
        "$(LC_ALL=C date -u '+%a, %d %b %Y %H:%M:%S UTC')" "$(dpkg --print-architecture)"
      for file in Packages Packages.gz; do
        printf ' %s %s %s\n' "$(sha256sum <"$file" | cut -d ' ' -f 1)" "$(stat -c %s "$file")" "$file"
      done
    } >Release
  )
}

# install_guest_packages: with the system's package lists; if they are missing
# or too old for the archive, with lists of our own.
install_guest_packages() {
  local dir lists
  if ! is_debian; then
    say "      guest packages come from Debian's or Ubuntu's archive, and this system has no apt-get"
    return 1
  fi
  dir=$(scratch guest-packages)
  mkdir -p "$dir/pool" "$PREFIX/logs"
  if ! guest_fetch "$dir"; then
    lists=$PREFIX/build/apt-lists
    mkdir -p "$lists/lists/partial" "$lists/cache/archives/partial"
    local own=(-o "Dir::State::Lists=$lists/lists" -o "Dir::Cache=$lists/cache" -o APT::Sandbox::User=root
      -o "Debug::NoLocking=1")
    logged guest-packages apt-get "${own[@]}" -q update || return 1
    guest_fetch "$dir" "${own[@]}" || return 1
  fi
  guest_stub "$dir" || return 1
  guest_pve "$dir" || return 1
  guest_index "$dir" || return 1
  rm -f "$dir/wanted"
  rm -rf -- "$PREFIX/apt.old"
  [ ! -e "$PREFIX/apt" ] || mv "$PREFIX/apt" "$PREFIX/apt.old"
  mv "$dir" "$PREFIX/apt"
  chmod -R a+rX "$PREFIX/apt"
  rm -rf -- "$PREFIX/apt.old"
}

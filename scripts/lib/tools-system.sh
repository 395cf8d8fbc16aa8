# shellcheck shell=bash
# What comes from the system's package manager.

is_debian() { command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null; }

# as_root COMMAND...: as root, or with sudo where that needs no question asked
# or there is a terminal to ask on.
as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  else
    sudo -- "$@"
  fi
}

can_be_root() {
  [ "$(id -u)" = 0 ] && return 0
  command -v sudo >/dev/null || return 1
  sudo -n true 2>/dev/null || { [ -t 0 ] && sudo -v; }
}

POLICY=/usr/sbin/policy-rc.d
POLICY_MARK="# written by scripts/tools while it installs a package"

# deny_services: packages that are installed now start no service. A denial
# that an interrupted run left behind is lifted first.
deny_services() {
  allow_services
  [ ! -e "$POLICY" ] || as_root mv -f "$POLICY" "$POLICY.hl-saved"
  printf '#!/bin/sh\n%s\nexit 101\n' "$POLICY_MARK" | as_root tee "$POLICY" >/dev/null
  as_root chmod 755 "$POLICY"
}

allow_services() {
  if [ -f "$POLICY" ] && grep -qF "$POLICY_MARK" "$POLICY"; then
    as_root rm -f "$POLICY"
  fi
  if [ -e "$POLICY.hl-saved" ] && [ ! -e "$POLICY" ]; then
    as_root mv -f "$POLICY.hl-saved" "$POLICY"
  fi
}

# apt_install LOG PACKAGE...: fetches the lists only if they do not serve.
apt_install() {
  local log=$1 code=0 root=()
  shift
  if ! is_debian; then
    say "      this system has no apt-get; install by hand, under the names it has there: $*"
    return 1
  fi
  if ! can_be_root; then
    say "      needs root, run: sudo apt-get install $*"
    return 1
  fi
  [ "$(id -u)" = 0 ] || root=(sudo -n --)
  FINISH=1
  deny_services
  local install=("${root[@]}" env DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l
    apt-get install -y -q --no-install-recommends -o DPkg::Lock::Timeout=300 "$@")
  logged "$log" "${install[@]}" || {
    logged "$log" "${root[@]}" apt-get update -q -o DPkg::Lock::Timeout=300 || true
    logged "$log" "${install[@]}" || code=$?
  }
  allow_services
  # shellcheck disable=SC2034 # read by interrupted
  FINISH=
  return "$code"
}

# install_system NAME: the package of a command that is missing. Of the SSH
# server only the program is wanted: it is not left enabled.
install_system() {
  apt_install "$1" "${SYSTEM_PACKAGE[$1]}" || return 1
  if [ "$1" = sshd ] && command -v systemctl >/dev/null; then
    as_root systemctl disable --quiet ssh.service ssh.socket >>"$PREFIX/logs/$1.log" 2>&1 || true
  fi
  on_path "${COMMAND[$1]}" >/dev/null
}

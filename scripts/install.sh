#!/bin/sh
# Installs hl on a machine: the program, the lab and the site-config, the user of
# automation. What is right already is left alone, so it may run again at any time.
#
#   sh install.sh [--user NAME | --no-user] [--lab NAME] [--token-stdin]
#
# The program is the first of: `hl` beside this file, HL_URL, the controller (HL_SOURCE:
# `bin/hl` of the lab's repository). Before it runs, its checksum is compared: HL_SHA256,
# else `hl.sha256` beside it. What the controller sends is trusted without a checksum only
# when HL_FINGERPRINT pins its certificate.
#
#   HL_SOURCE       https://CONTROLLER:44443; with it the lab and the site-config are
#                   cloned too. Also read as HOMESTAK_SOURCE
#   HL_TOKEN        the token of its repositories (HOMESTAK_TOKEN), or one line on
#                   standard input with --token-stdin; never an argument
#   HL_REF          a branch or tag; _working when it is not set (HOMESTAK_REF)
#   HL_FINGERPRINT  SHA-256 of the controller's certificate, as `hl serve` prints it
#   HL_URL, HL_SHA256
#   HL_PREFIX       /usr/local
set -eu
umask 022

PREFIX=${HL_PREFIX:-/usr/local}
SOURCE=${HL_SOURCE:-${HOMESTAK_SOURCE:-}}
TOKEN=${HL_TOKEN:-${HOMESTAK_TOKEN:-}}
REF=${HL_REF:-${HOMESTAK_REF:-_working}}
PIN=${HL_FINGERPRINT:-}
# Children see none of it: what they need, they are given.
unset HL_TOKEN HOMESTAK_TOKEN
BIN=$PREFIX/bin/hl
ETC=$PREFIX/etc/homestak
LIB=$PREFIX/lib/homestak
USER_NAME=homestak
LAB=lab
HERE=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
WORK=
CHANGED=0

say() { printf 'install: %s\n' "$*"; }
fail() {
  printf 'error: %s\n' "$1" >&2
  [ $# -lt 2 ] || printf 'help: %s\n' "$2" >&2
  exit 1
}
cleanup() { [ -z "$WORK" ] || rm -rf -- "$WORK"; }
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

while [ $# -gt 0 ]; do
  case $1 in
    --user) [ $# -ge 2 ] || fail "--user wants a name"; USER_NAME=$2; shift 2 ;;
    --no-user) USER_NAME=; shift ;;
    --lab) [ $# -ge 2 ] || fail "--lab wants a name"; LAB=$2; shift 2 ;;
    --token-stdin) IFS= read -r TOKEN || [ -n "$TOKEN" ] || fail "no token on standard input"; shift ;;
    -h | --help) sed -n '2,/^set -eu/{/^set -eu/d;s/^# \{0,1\}//p;}' "$0"; exit 0 ;;
    *) fail "unexpected argument: $1" "sh install.sh --help" ;;
  esac
done
case $LAB$USER_NAME in *[!A-Za-z0-9._-]*) fail "a name of a lab or a user has letters, digits and ._- only" ;; esac
case $SOURCE in "" | https://*) ;; *) fail "HL_SOURCE is not https://: $SOURCE" ;; esac
SOURCE=${SOURCE%/}
[ "$(id -u)" = 0 ] || fail "only root can install into $PREFIX" "sudo sh install.sh"
WORK=$(mktemp -d)
chmod 700 "$WORK"

need() { command -v "$1" >/dev/null 2>&1 || fail "there is no $1 on this machine" "apt-get install $2"; }

# The controller's certificate, when it is the pinned one.
pinned() {
  [ -n "$PIN" ] || return 0
  need openssl openssl
  address=${SOURCE#https://}
  address=${address%%/*}
  case $address in *:*) ;; *) address=$address:443 ;; esac
  openssl s_client -connect "$address" </dev/null 2>/dev/null | openssl x509 >"$WORK/controller.pem" 2>/dev/null ||
    fail "the controller at $address shows no certificate"
  found=$(openssl x509 -in "$WORK/controller.pem" -noout -fingerprint -sha256 | sed 's/.*=//' | tr -d : | tr A-F a-f)
  wanted=$(printf %s "$PIN" | tr -d ': ' | tr A-F a-f)
  [ "$found" = "$wanted" ] || fail "the controller's certificate is another one: nothing was taken from it" "compare HL_FINGERPRINT with what \`hl serve\` prints"
}

# fetch URL FILE: the token goes to the controller alone, and is in no argument.
fetch() {
  need curl curl
  {
    printf 'url = "%s"\noutput = "%s"\n' "$1" "$2"
    printf 'fail\nsilent\nshow-error\nmax-time = 600\nproto = "=https,file"\n'
    case $1 in
      "$SOURCE"/*)
        [ -z "$TOKEN" ] || printf 'header = "Authorization: Bearer %s"\n' "$TOKEN"
        [ -z "$PIN" ] || printf 'cacert = "%s"\n' "$WORK/controller.pem"
        ;;
      *) printf 'location\n' ;;
    esac
  } | curl --config - || return 1
}

sum() { sha256sum "$1" | cut -d ' ' -f 1; }

# checked FILE SUM: whether it may be run.
checked() {
  found=$(sum "$1")
  [ "$found" = "$2" ] || fail "the checksum of hl is $found, and not $2: it was not installed"
}

program() {
  new=$WORK/hl
  wanted=${HL_SHA256:-}
  if [ -f "$HERE/hl" ]; then
    cp -- "$HERE/hl" "$new"
    [ -n "$wanted" ] || [ ! -f "$HERE/hl.sha256" ] || wanted=$(cut -d ' ' -f 1 <"$HERE/hl.sha256")
    [ -n "$wanted" ] || fail "there is no checksum for $HERE/hl" "write it where hl comes from: sha256sum hl >hl.sha256"
  elif [ -n "${HL_URL:-}" ]; then
    [ -n "$wanted" ] || fail "HL_SHA256 is not set: what comes from HL_URL is not run unseen"
    fetch "$HL_URL" "$new" || fail "cannot fetch $HL_URL"
  elif [ -n "$SOURCE" ]; then
    [ -n "$wanted$PIN" ] || fail "neither HL_SHA256 nor HL_FINGERPRINT is set: what the controller sends is not run unseen"
    fetch "$SOURCE/$LAB.git/bin/hl" "$new" || fail "the controller has no bin/hl in the repository $LAB, or the token is wrong"
    [ -n "$wanted" ] || wanted=$(sum "$new")
  elif [ -x "$BIN" ]; then
    say "hl is there: $("$BIN" --version)"
    return 0
  else
    fail "there is no hl beside this file, and neither HL_URL nor HL_SOURCE is set"
  fi
  checked "$new" "$wanted"
  if [ -f "$BIN" ] && [ "$(sum "$BIN")" = "$wanted" ]; then
    say "hl is there: $("$BIN" --version)"
    return 0
  fi
  chmod 755 "$new"
  "$new" --version >/dev/null || fail "this hl does not run on this machine"
  # Beside the old one and then in its place: one that runs is not disturbed.
  cp -- "$new" "$BIN.new"
  chmod 755 "$BIN.new"
  mv -- "$BIN.new" "$BIN"
  CHANGED=1
  say "hl is installed: $("$BIN" --version)"
}

# git's helper reads the token from the environment of this one call.
with_token() {
  # shellcheck disable=SC2016 # read by the shell that git starts
  HL_INSTALL_TOKEN=$TOKEN GIT_TERMINAL_PROMPT=0 git \
    -c credential.helper= \
    -c credential.helper='!f() { [ "$1" = get ] && printf "username=hl\npassword=%s\n" "$HL_INSTALL_TOKEN"; }; f' \
    ${PIN:+-c http.sslCAInfo="$WORK/controller.pem"} "$@"
}

# repository NAME DIR: cloned, or brought to what the controller has.
repository() {
  if [ -d "$2/.git" ]; then
    if [ -n "$(git -C "$2" status --porcelain)" ]; then
      say "$2 has changes of its own and stays as it is"
      return 0
    fi
    before=$(git -C "$2" rev-parse HEAD)
    with_token -C "$2" fetch -q origin "$REF" || fail "cannot fetch $1 from the controller"
    git -C "$2" reset -q --hard FETCH_HEAD
    [ "$before" = "$(git -C "$2" rev-parse HEAD)" ] || { CHANGED=1; say "$2 is up to date now"; }
  elif [ -e "$2" ] && [ -n "$(ls -A "$2")" ]; then
    say "$2 is there and no clone: it stays as it is"
  else
    with_token clone -q "$SOURCE/$1.git" "$WORK/clone" || fail "cannot clone $1 from the controller" "is the token right, and does it serve $1? \`hl serve status\` says"
    git -C "$WORK/clone" checkout -q "$REF" 2>/dev/null || git -C "$WORK/clone" checkout -q -B "$REF" "origin/$REF" || fail "the repository $1 has no $REF"
    rmdir "$2" 2>/dev/null || true
    mv -- "$WORK/clone" "$2"
    CHANGED=1
    say "$2 is cloned"
  fi
}

account() {
  [ -n "$USER_NAME" ] || return 0
  if ! id "$USER_NAME" >/dev/null 2>&1; then
    useradd --create-home --shell /bin/bash "$USER_NAME"
    CHANGED=1
    say "the user $USER_NAME is made"
  fi
  rule="$USER_NAME ALL=(ALL) NOPASSWD:ALL"
  # sudo reads no file whose name has a dot.
  file=/etc/sudoers.d/91-hl-$(printf '%s' "$USER_NAME" | tr . -)
  if [ -d /etc/sudoers.d ] && ! grep -qsxF "$rule" "$file"; then
    printf '# Written by hl.\n%s\n' "$rule" >"$WORK/rule"
    chmod 440 "$WORK/rule"
    ! command -v visudo >/dev/null 2>&1 || visudo -qcf "$WORK/rule" || fail "this sudo does not take a rule for $USER_NAME"
    mv -- "$WORK/rule" "$file"
    CHANGED=1
    say "$USER_NAME may use sudo"
  fi
}

mkdir -p "$PREFIX/bin" "$LIB"
[ -z "$SOURCE" ] || pinned
program
if [ -n "$SOURCE" ]; then
  need git git
  repository "$LAB" "$LIB/$LAB"
  # A site-config inside of the lab is a part of the lab's repository.
  if with_token ls-remote -q "$SOURCE/site-config.git" >/dev/null 2>&1; then
    repository site-config "$ETC"
  else
    say "the controller serves no site-config of its own"
  fi
fi
mkdir -p "$ETC"
account
[ "$CHANGED" = 1 ] || say "nothing had to be changed"

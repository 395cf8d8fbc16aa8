# shellcheck shell=bash
# Messages, versions, stamps and child processes for scripts/tools.

say() { printf '%s\n' "$*" >&2; }

# fail MESSAGE [HELP]: one error, and what to do about it.
fail() {
  say "error: $1"
  [ $# -lt 2 ] || say "help: $2"
  exit 1
}

# at_least A B: version A is B or later.
at_least() {
  [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]
}

# first_version: the first thing on stdin that looks like a version.
first_version() { grep -oE '[0-9]+\.[0-9]+(\.[0-9]+)*' | head -n 1; }

# probe NAME PATH: the version that the command at PATH reports, or nothing.
probe() {
  local out=
  case $1 in
    tofu | packer) out=$(CHECKPOINT_DISABLE=1 "$2" version 2>/dev/null) || out= ;;
    sops) out=$("$2" --version --disable-version-check 2>/dev/null) || out= ;;
    tmux | iproute2) out=$("$2" -V 2>/dev/null) || out= ;;
    proxmoxer) out=$("$2" -c 'from importlib.metadata import version; print(version("proxmoxer"))' 2>/dev/null) || out= ;;
    sshd) out=$("$2" -V 2>&1) || out=$(ssh -V 2>&1) || out= ;;
    *) out=$("$2" --version 2>/dev/null) || out= ;;
  esac
  first_version <<<"$out" || true
}

# on_path COMMAND: where PATH has it, our own prefix left out.
on_path() {
  local dir
  # Guests run this very file; a version manager's python3 is not in their /usr.
  if [ "$1" = python3 ] && [ -x /usr/bin/python3 ]; then
    printf '/usr/bin/python3\n'
    return 0
  fi
  while IFS= read -r -d : dir; do
    case $dir in
      "" | "$PREFIX"/*) continue ;;
    esac
    if [ -f "$dir/$1" ] && [ -x "$dir/$1" ]; then
      printf '%s\n' "$dir/$1"
      return 0
    fi
  done <<<"$PATH:/usr/sbin:/sbin:"
  return 1
}

# recipe_key NAME: changes when a pin, a sum, a source or the way of building does.
recipe_key() {
  local files=()
  case $1 in
    ansible) files=("$ROOT/tools/ansible/requirements.txt") ;;
    packer-image) files=("$ROOT/tools/packer-image"/* "$ROOT/scripts/lib/tools-image.sh" /etc/os-release) ;;
    guest-packages) files=("$ROOT/tools/guest-packages.txt" "$ROOT/scripts/lib/tools-guest.sh" "$ROOT/scripts/lib/tools-pve.sh" /etc/os-release) ;;
    *) [ ! -d "$ROOT/tools/$1" ] || files=("$ROOT/tools/$1"/*) ;;
  esac
  {
    printf '%s\n' "$RECIPE" "$1" "${WANTED[$1]:-}" "${GO_BUILDS[$1]:-}" "${GO_SET[$1]:-}" "$(uname -m)"
    [ -z "${SHA256[$1]:-}" ] || printf '%s\n' "${SHA256[$1]}"
    [ ${#files[@]} -eq 0 ] || cat -- "${files[@]}"
  } | sha256sum | cut -d ' ' -f 1
}

# products NAME: the files that must be there for an install of ours to count.
products() {
  case $1 in
    ansible) printf '%s\n' venv/bin/ansible-playbook ;;
    proxmoxer) printf '%s\n' bin/proxmoxer-python proxmoxer/bin/python3 ;;
    age) printf '%s\n' bin/age bin/age-keygen ;;
    kubernetes) printf '%s\n' bin/kube-apiserver bin/kubectl ;;
    proxmox-provider) printf '%s\n' "$(provider_path registry.opentofu.org)" "$(provider_path registry.terraform.io)" ;;
    packer-plugin-proxmox) printf '%s\n' "$(plugin_path)" "$(plugin_path)_SHA256SUM" ;;
    axe) printf '%s\n' axe/axe.min.js ;;
    packer-image) printf '%s\n' image/base.qcow2 image/vmlinuz image/initrd image/bin/packer image/images/tiny/tiny.qcow2 image/images/tiny/inputs.sha256 ;;
    guest-packages) printf '%s\n' apt/Packages apt/Packages.gz apt/Release apt/stubs.txt ;;
    *) printf '%s\n' "bin/${COMMAND[$1]}" ;;
  esac
}

# platform: the name that Go, tofu and packer have for this machine.
platform() {
  case $(uname -m) in
    x86_64) echo linux_amd64 ;;
    aarch64) echo linux_arm64 ;;
    *) echo "linux_$(uname -m)" ;;
  esac
}

# provider_path HOST: where tofu looks for the provider of a registry's name.
provider_path() {
  local version=${WANTED[proxmox-provider]}
  printf 'mirror/%s/bpg/proxmox/%s/%s/terraform-provider-proxmox_v%s\n' \
    "$1" "$version" "$(platform)" "$version"
}

plugin_path() {
  printf 'packer-plugins/github.com/hashicorp/proxmox/packer-plugin-proxmox_v%s_x5.0_%s\n' \
    "${WANTED[packer-plugin-proxmox]}" "$(platform)"
}

# is_current NAME: ours is installed by the recipe of this checkout.
is_current() {
  local stamp=$PREFIX/stamps/$1 product
  [ -f "$stamp" ] && [ "$(<"$stamp")" = "$(recipe_key "$1")" ] || return 1
  while IFS= read -r product; do
    [ -s "$PREFIX/$product" ] || return 1
  done < <(products "$1")
}

# stamp NAME: written last, so that an interrupted install does not count.
stamp() {
  mkdir -p "$PREFIX/stamps"
  recipe_key "$1" >"$PREFIX/stamps/$1.new"
  mv -f "$PREFIX/stamps/$1.new" "$PREFIX/stamps/$1"
}

# logged NAME COMMAND...: runs a child with its output in a log. The child has
# a process group of its own, so that an interrupt ends all of it at once, and
# does not hold the lock. FINISH marks a child that an interrupt waits for.
CHILD=
FINISH=
logged() {
  local log=$PREFIX/logs/$1.log code=0 own=(setsid)
  shift
  mkdir -p "$PREFIX/logs"
  printf '+ %s\n' "$*" >>"$log"
  # sudo remembers a password by terminal, which a session of its own has not.
  [ -z "$FINISH" ] || own=()
  "${own[@]}" "$@" >>"$log" 2>&1 </dev/null 9>&- &
  CHILD=$!
  wait "$CHILD" || code=$?
  CHILD=
  return "$code"
}

# interrupted CODE: ends the child's group, leaves what is built for the next run.
interrupted() {
  trap '' INT TERM HUP
  if [ -n "$CHILD" ]; then
    if [ -n "$FINISH" ]; then
      say "waiting for the package manager, which must not be stopped half-way"
    else
      kill -TERM -- "-$CHILD" 2>/dev/null || true
    fi
    wait "$CHILD" 2>/dev/null || true
  fi
  [ -z "$FINISH" ] || allow_services
  say "interrupted; run scripts/tools again to continue"
  exit "$1"
}

# scratch NAME: an empty directory beside the final place, for a rename.
scratch() {
  local dir=$PREFIX/build/$1
  rm -rf -- "$dir"
  mkdir -p "$dir"
  printf '%s\n' "$dir"
}

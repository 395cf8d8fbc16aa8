# shellcheck shell=bash
# An image that Debian's packer builds with QEMU without KVM, from a base that mmdebstrap
# makes: what tests of scenarios about images start from. The programs are unpacked into
# the prefix, so that no other packer is in the way of ours.

IMAGE_PACKAGES=(packer qemu-system-x86 qemu-utils mmdebstrap)

# image_fetch DIR APT_OPTION...: the packages and what they need and this system lacks.
image_fetch() {
  local dir=$1 wanted
  shift
  mapfile -t wanted < <(
    {
      LC_ALL=C apt-get "$@" install --simulate -qq --no-install-recommends "${IMAGE_PACKAGES[@]}" \
        | sed -nE 's/^Inst ([^ ]+) (\[[^]]*\] )?\(([^ ]+) .*/\1=\3/p'
      # Those that this system has are wanted as well.
      printf '%s\n' "${IMAGE_PACKAGES[@]}"
    } | sort -t = -k 1,1 -u
  )
  [ ${#wanted[@]} -ge ${#IMAGE_PACKAGES[@]} ] || return 1
  mkdir -p "$dir/pool"
  logged packer-image env -C "$dir/pool" \
    apt-get "$@" -q -o APT::Sandbox::User=root -o Acquire::Retries=2 download "${wanted[@]}"
}

# image_programs DIR: DIR/root with what the packages have, DIR/bin with the programs as
# they are called. QEMU finds its firmware by where it lies itself.
image_programs() {
  local dir=$1 deb name
  for deb in "$dir/pool"/*.deb; do
    dpkg-deb -x "$deb" "$dir/root" || return 1
  done
  rm -rf -- "$dir/pool"
  mkdir -p "$dir/bin"
  for name in packer qemu-img qemu-system-x86_64; do
    # shellcheck disable=SC2016 # the program's own
    printf '#!/bin/sh\nroot=$(dirname "$(readlink -f "$0")")/../root\nLD_LIBRARY_PATH=$root/usr/lib/x86_64-linux-gnu:$root/lib/x86_64-linux-gnu exec "$root/usr/bin/%s" "$@"\n' \
      "$name" >"$dir/bin/$name"
    chmod 755 "$dir/bin/$name"
  done
}

# image_digest DIR: of all files below, as `hl scenario packer-build` makes it.
image_digest() {
  (
    cd "$1" || exit 1
    find . -type f ! -name crash.log -print0 | LC_ALL=C sort -z | xargs -0 -r sha256sum \
      | sha256sum | cut -d ' ' -f 1
  )
}

# image_build DIR: DIR/images/tiny/tiny.qcow2, as `hl scenario packer-build` does it.
image_build() {
  local dir=$1 files=$1/files/tiny
  mkdir -p "$files" "$dir/images" "$dir/home"
  cp "$ROOT/tools/packer-image/build.pkr.hcl" "$files/"
  logged packer-image env -C "$files" PATH="$dir/bin:$PATH" HOME="$dir/home" CHECKPOINT_DISABLE=1 \
    PACKER_CACHE_DIR="$dir/home/cache" PKR_VAR_name=tiny PKR_VAR_output="$dir/images/tiny" \
    PKR_VAR_accelerator=tcg PKR_VAR_base="$dir" \
    timeout 360 "$dir/bin/packer" build -color=false . || return 1
  image_digest "$files" >"$dir/images/tiny/inputs.sha256"
  rm -rf -- "$dir/files" "$dir/home"
}

install_packer_image() {
  local dir lists sources suite root=() kernel=linux-image-cloud-amd64
  if ! is_debian || [ "$(dpkg --print-architecture)" != amd64 ]; then
    say "      the image is made of Debian's or Ubuntu's packages, on amd64"
    return 1
  fi
  if ! can_be_root; then
    say "      its base is made as root, run: sudo scripts/tools packer-image"
    return 1
  fi
  [ "$(id -u)" = 0 ] || root=(sudo -n --)
  # shellcheck source=/dev/null
  suite=$(. /etc/os-release && printf '%s' "$VERSION_CODENAME")
  # shellcheck source=/dev/null
  [ "$(. /etc/os-release && printf '%s' "$ID")" = debian ] || kernel=linux-image-virtual
  for sources in /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list.d/ubuntu.sources /etc/apt/sources.list; do
    [ ! -s "$sources" ] || break
  done
  dir=$(scratch packer-image)
  if ! image_fetch "$dir"; then
    lists=$PREFIX/build/apt-lists
    mkdir -p "$lists/lists/partial" "$lists/cache/archives/partial"
    local own=(-o "Dir::State::Lists=$lists/lists" -o "Dir::Cache=$lists/cache" -o APT::Sandbox::User=root
      -o "Debug::NoLocking=1")
    logged packer-image apt-get "${own[@]}" -q update || return 1
    image_fetch "$dir" "${own[@]}" || return 1
  fi
  image_programs "$dir" || return 1
  logged packer-image "${root[@]}" env PATH="$dir/bin:$PATH:/usr/sbin:/sbin:$dir/root/usr/bin" \
    sh "$ROOT/tools/packer-image/base.sh" "$dir" "$suite" "$kernel" "$ROOT/tools/packer-image" "$sources" || return 1
  [ "$(id -u)" = 0 ] || logged packer-image "${root[@]}" chown -R "$(id -u):$(id -g)" "$dir" || return 1
  image_build "$dir" || return 1
  rm -rf -- "$PREFIX/image.old"
  [ ! -e "$PREFIX/image" ] || mv "$PREFIX/image" "$PREFIX/image.old"
  mv "$dir" "$PREFIX/image"
  chmod -R a+rX "$PREFIX/image"
  rm -rf -- "$PREFIX/image.old"
}

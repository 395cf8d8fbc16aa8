#!/bin/sh
# Gives each node its configuration, and begins the cluster on one of them.
set -eu
. "$HL_PLATFORM_LIB/talos/scripts/config.sh"
file() { jq -er --arg path "$1" '.files[$path]' "$context"; }
jq -er '.nodes[] | "\(.name) \(.ip) \(.role)"' "$context" >"$work/nodes"
while read -r name ip role; do
  patch=
  [ "$role" = worker ] || patch="--config-patch @$(file talos/patches/controlplane.yaml)"
  # shellcheck disable=SC2086 # one word or two
  talosctl gen config "$(jq -er .cluster "$context")" "https://$(jq -er .endpoint "$context")" \
    --with-secrets "$work/secrets.yaml" --talos-version "$(jq -er .talos "$context")" \
    --kubernetes-version "$(jq -er .kubernetes "$context")" \
    --install-image "$(jq -er .image "$context")" --install-disk "$(jq -er .disk "$context")" \
    --with-docs=false --with-examples=false --output-types "$role" \
    --config-patch "@$(file talos/patches/all.yaml)" $patch \
    --config-patch "@$(file "talos/nodes/$name.yaml")" -o "$work/$name.yaml" --force </dev/null
  # The first time the node waits in maintenance mode, later it knows its certificates.
  talosctl apply-config -n "$ip" -e "$ip" -f "$work/$name.yaml" </dev/null 2>/dev/null ||
    talosctl apply-config --insecure -n "$ip" -f "$work/$name.yaml" </dev/null
  echo "$name: configured"
done <"$work/nodes"
said=
for _ in $(seq 60); do
  if said=$(talosctl bootstrap -n "$first" 2>&1); then
    echo "the cluster begins on $first"
    exit 0
  fi
  case $said in
    *AlreadyExists*) echo "the cluster was begun before"; exit 0 ;;
  esac
  sleep 10
done
echo "$said" >&2
exit 1

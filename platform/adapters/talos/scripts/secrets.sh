#!/bin/sh
# Makes the secrets of the cluster, unless the lab has them: others would lock it out.
set -eu
umask 077
target=$HL_PLATFORM_OUTPUT/secrets/TALOS_SECRETS
if [ -n "${TALOS_SECRETS:-}" ]; then
  echo "the lab has the secrets of the cluster, and keeps them"
  exit 0
fi
work=$(mktemp -d "$HL_PLATFORM_OUTPUT/work.XXXXXX")
trap 'rm -rf "$work"' EXIT
talosctl gen secrets --talos-version "$(jq -er .talos "$HL_PLATFORM_CONTEXT")" -o "$work/secrets.yaml"
base64 -w0 "$work/secrets.yaml" >"$target.new"
mv "$target.new" "$target"

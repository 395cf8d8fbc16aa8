#!/bin/sh
# Fetches the kubeconfig.
set -eu
. "$HL_PLATFORM_LIB/talos/scripts/config.sh"
target=$(jq -er .kubeconfig "$context")
mkdir -p "$(dirname "$target")"
talosctl kubeconfig "$work/kubeconfig" -n "$first" --force
mv "$work/kubeconfig" "$target"
echo "kubeconfig in $target"

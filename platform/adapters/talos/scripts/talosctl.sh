#!/bin/sh
# talosctl is the version of the nodes.
set -eu
wanted=$(jq -er .version "$HL_PLATFORM_CONTEXT")
found=$(talosctl version --client --short 2>/dev/null | tr -d ' \n')
case $found in
  *"$wanted".*) echo "talosctl $found" ;;
  *) echo "talosctl is $found, the nodes are $wanted" >&2; exit 1 ;;
esac

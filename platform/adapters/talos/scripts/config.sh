# The configuration of the nodes and of talosctl, in a directory of this script's own.
umask 077
context=$HL_PLATFORM_CONTEXT
work=$(mktemp -d "$HL_PLATFORM_OUTPUT/work.XXXXXX")
trap 'rm -rf "$work"' EXIT
printf '%s' "$TALOS_SECRETS" | base64 -d >"$work/secrets.yaml"
first=$(jq -er '[.nodes[] | select(.role == "controlplane")][0].ip' "$context")
export TALOSCONFIG=$work/talosconfig
talosctl gen config "$(jq -er .cluster "$context")" "https://$(jq -er .endpoint "$context")" \
  --with-secrets "$work/secrets.yaml" --talos-version "$(jq -er .talos "$context")" \
  --output-types talosconfig -o "$TALOSCONFIG" >/dev/null
talosctl config endpoint "$first"
talosctl config node "$first"

#!/bin/sh
# What SOPS encrypts by .sops.yaml opens with the key.
set -eu
config=$HL_PLATFORM_LIVE/.sops.yaml
[ -f "$config" ] || { echo "there is no $config" >&2; exit 1; }
# For any path and any key: what counts is for whom it encrypts.
any=$HL_PLATFORM_OUTPUT/any.yaml
sed 's/path_regex: .*/path_regex: ".*"/; s/encrypted_regex: .*/encrypted_regex: ".*"/' "$config" >"$any"
plain='stringData: {check: open}'
sealed=$(printf '%s\n' "$plain" |
  sops --config "$any" encrypt --input-type yaml --output-type yaml /dev/stdin)
case $sealed in
  *'check: open'*) echo "it is not encrypted" >&2; exit 1 ;;
esac
printf '%s\n' "$sealed" | sops decrypt --input-type yaml --output-type yaml /dev/stdin | grep -q 'check: open'
echo "encrypted and opened again"

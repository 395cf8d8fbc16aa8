#!/bin/sh
# What SOPS encrypts by .sops.yaml opens with the key.
set -eu
config=$HL_PLATFORM_LIVE/.sops.yaml
[ -f "$config" ] || { echo "there is no $config" >&2; exit 1; }
plain='stringData: {check: open}'
sealed=$(printf '%s\n' "$plain" |
  sops --config "$config" encrypt --input-type yaml --output-type yaml --filename-override check.enc.yaml /dev/stdin)
case $sealed in
  *'check: open'*) echo "it is not encrypted" >&2; exit 1 ;;
esac
printf '%s\n' "$sealed" | sops decrypt --input-type yaml --output-type yaml /dev/stdin | grep -q 'check: open'
echo "encrypted and opened again"

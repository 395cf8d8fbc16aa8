#!/bin/sh
# The public half of the key, for .sops.yaml.
set -eu
printf '%s\n' "$SOPS_AGE_KEY" | age-keygen -y >"$HL_PLATFORM_OUTPUT/values/age_public_key"
echo "public key $(cat "$HL_PLATFORM_OUTPUT/values/age_public_key")"

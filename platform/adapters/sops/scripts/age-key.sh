#!/bin/sh
# Makes the age key, unless the lab has one: what was encrypted for it must stay readable.
set -eu
umask 077
target=$HL_PLATFORM_OUTPUT/secrets/SOPS_AGE_KEY
if [ -n "${SOPS_AGE_KEY:-}" ]; then
  echo "the lab has an age key, and keeps it"
  exit 0
fi
if [ -s "$target" ]; then
  echo "an age key was made just before"
  exit 0
fi
# Only the line that is the key: what else age-keygen writes is a comment.
age-keygen 2>/dev/null | grep '^AGE-SECRET-KEY-' >"$target.new"
mv "$target.new" "$target"
echo "made an age key"

#!/bin/sh
# Gives Argo CD the key of age; no word of a command line holds it.
set -eu
export KUBECONFIG=$(jq -er .kubeconfig "$HL_PLATFORM_CONTEXT")
jq -n '{apiVersion: "v1", kind: "Secret", metadata: {name: "sops-age", namespace: "argocd"},
  stringData: {"keys.txt": env.SOPS_AGE_KEY}}' | kubectl apply --server-side --force-conflicts -f -

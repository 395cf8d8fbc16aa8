#!/bin/sh
# All nodes are ready.
set -eu
export KUBECONFIG=$(jq -er .kubeconfig "$HL_PLATFORM_CONTEXT")
jq -r '.nodes[].name' "$HL_PLATFORM_CONTEXT" | while read -r node; do
  kubectl wait --for=condition=Ready --timeout=60s "node/$node"
done

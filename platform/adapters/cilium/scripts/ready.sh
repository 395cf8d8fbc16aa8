#!/bin/sh
# Waits for the agents of Cilium on all nodes, then announces addresses if there are any.
set -eu
context=$HL_PLATFORM_CONTEXT
export KUBECONFIG=$(jq -er .kubeconfig "$context")
kubectl -n kube-system rollout status daemonset/cilium --timeout=120s
pools=$(jq -r '.files["cilium/pools.yaml"] // empty' "$context")
if [ -n "$pools" ]; then
  kubectl wait --for=condition=Established --timeout=60s \
    crd/ciliumloadbalancerippools.cilium.io crd/ciliuml2announcementpolicies.cilium.io
  kubectl apply --server-side -f "$pools"
fi

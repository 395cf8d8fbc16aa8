#!/bin/sh
# Applies the application of the repository.
set -eu
context=$HL_PLATFORM_CONTEXT
export KUBECONFIG=$(jq -er .kubeconfig "$context")
kubectl wait --for=condition=Established --timeout=120s crd/applications.argoproj.io
kubectl apply --server-side --force-conflicts -f "$(jq -er '.files["argocd/root.yaml"]' "$context")"

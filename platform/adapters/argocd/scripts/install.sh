#!/bin/sh
# Applies what installs Argo CD, and waits for it.
set -eu
context=$HL_PLATFORM_CONTEXT
export KUBECONFIG=$(jq -er .kubeconfig "$context")
kubectl apply --server-side --force-conflicts -f "$(jq -er '.files["argocd/install.yaml"]' "$context")"
for _ in $(seq 60); do
  kubectl -n argocd get statefulset/argocd-application-controller >/dev/null 2>&1 && break
  sleep 10
done
kubectl -n argocd rollout status statefulset/argocd-application-controller --timeout=300s
kubectl -n argocd rollout status deployment --timeout=300s

# The real controller of Argo Rollouts. Expects $bin, $base.

start_argo() {
  kubectl apply --server-side -f "$bin/crds" >/dev/null
  # Asked too early, before the definition has any status, `wait` gives up at once instead of waiting.
  for _ in $(seq 100); do
    kubectl get crd rollouts.argoproj.io -o 'jsonpath={.status.conditions}' | grep -q . && break
    sleep 0.1
  done
  kubectl wait --for=condition=Established crd/rollouts.argoproj.io --timeout=30s >/dev/null
  start rollouts-controller rollouts-controller --kubeconfig=kubeconfig --leader-elect=false \
    --metricsport=$((base + 4)) --healthzPort=$((base + 5))
  for _ in $(seq 300); do
    (exec 3<>"/dev/tcp/127.0.0.1/$((base + 5))") 2>/dev/null && return
    sleep 0.1
  done
  tail -5 rollouts-controller.log >&2
  return 1
}

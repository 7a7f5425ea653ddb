# The real controller of Argo Rollouts. Expects $bin, $base.

start_argo() {
  kubectl apply --server-side -f "$bin/crds" >/dev/null
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

# How long the way back takes to reach the API server, and to be proven.

deploy_small() {
  "$kubectl" apply -n bench -f - >/dev/null <<Y
apiVersion: apps/v1
kind: Deployment
metadata: {name: small}
spec:
  replicas: 4
  selector: {matchLabels: {app: small}}
  template:
    metadata: {labels: {app: small}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - {name: app, image: "myapp:v1.2.0"}
Y
  "$kubectl" rollout status -n bench deployment/small --timeout=2m >/dev/null
}
# A bad version is out: its tag.
release() {
  "$kubectl" set image -n bench deployment/small "app=myapp:$1" >/dev/null
  "$kubectl" rollout status -n bench deployment/small --timeout=2m >/dev/null
}
# The first number after a name in a line of JSON.
number() { sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p"; }
millis() { echo $(($(date +%s%N) / 1000000)); }

part_rollback() {
  local n began told undo=() fired=() safe=()
  mkdir -p "$work/config"
  echo 'settle_s: 1' >"$work/config/gonogo.yaml"
  deploy_small
  for n in $(seq "$((RUNS * 3))"); do
    release "v1.3.$n"
    began=$(millis)
    # It warns of an annotation that it leaves behind.
    "${kubectl_undo[@]}" >/dev/null 2>"$work/undo.err"
    undo+=($(($(millis) - began)))
    "$kubectl" rollout status -n bench deployment/small --timeout=2m >/dev/null
    release "v1.4.$n"
    told=$(as gonogo "${gonogo_rollback[@]}" --config "$work/config/gonogo.yaml" 2>"$work/rollback.err") || {
      echo "the rollback was not verified: $told $(cat "$work/rollback.err")" >&2
      exit 1
    }
    # From the firing to the answer, the durable record between them among it.
    fired+=("$(sed 's/.*"actions":\[{//; s/}.*//' <<<"{$told" | number at_ms)")
    safe+=("$(number time_to_safe_ms <<<"$told")")
  done
  table "the way back of 4 pods, median of $((RUNS * 3))" 'to the accepted patch' 'all of them' 'to the verified state'
  row '`kubectl rollout undo`, the process' "$(printf '%s\n' "${undo[@]}" | median) ms" "${undo[*]}" 'not verified'
  row '`gonogo rollback`, from the firing' "$(printf '%s\n' "${fired[@]}" | median) ms" "${fired[*]}" \
    "$(printf '%s\n' "${safe[@]}" | median) ms, of which 1000 ms of calm"
}

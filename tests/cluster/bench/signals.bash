# How long a bad signal takes to the banner, and a good state to "safe": what a person waits for.

# Prometheus on loopback, which scrapes nothing but itself every 15 s. Sets $prometheus and $prometheus_url.
start_prometheus() {
  . "$here/lib/ports.bash"
  reserve_ports
  prometheus_ports=$base
  prometheus_url=http://127.0.0.1:$base
  cat >"$work/prometheus.yml" <<Y
global: {scrape_interval: 15s}
scrape_configs:
- {job_name: itself, static_configs: [{targets: ['127.0.0.1:$base']}]}
Y
  prometheus --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/prometheus" \
    --web.listen-address="127.0.0.1:$base" >"$work/prometheus.log" 2>&1 &
  prometheus=$!
  for _ in $(seq 600); do
    # There must be something to read before anything is read.
    [[ $(scrapes_since 0) ]] && return
    sleep 0.1
  done
  tail -5 "$work/prometheus.log" >&2
  exit 1
}
stop_prometheus() {
  [[ ${prometheus:-} ]] || return 0
  kill "$prometheus" 2>/dev/null
  wait "$prometheus" 2>/dev/null
  release_ports "$prometheus_ports"
  prometheus=
}
# The scrapes since a moment, in milliseconds since 1970, oldest first.
scrapes_since() {
  curl -sfG "$prometheus_url/api/v1/query" --data-urlencode 'query=prometheus_build_info[10m]' |
    grep -o '\[[0-9.]*,"1"\]' | sed 's/\[//; s/,.*//' | awk -v since="$1" '{ at = sprintf("%.0f", $1 * 1000); if (at >= since) print at }'
}

write_release() {
  cat >"$work/signals.md" <<'M'
# Release

## Steps

### 1. Production deployment

```bash
kubectl set image deployment/small app=myapp:next
```

- [ ] Deployed

## Rollback

**Rollback criteria**:
- Error rate > 1%
M
}
open_release() {
  open_screen gonogo "$gonogo" run "$work/signals.md" -n bench --operator ana "$@"
  [[ $(ask gonogo 'wait 60 ARMED') == at=* ]] || { shown gonogo >&2; exit 1; }
  ask gonogo 'keys r' >/dev/null
  [[ $(ask gonogo 'wait 60 RUNNING') == at=* ]] || { shown gonogo >&2; exit 1; }
}

part_signals() {
  local n bad_from third told banner=() safe=() good settle=2
  command -v prometheus >/dev/null || { absent 'Prometheus'; return; }
  mkdir -p "$work/config"
  deploy_small
  write_release
  start_prometheus
  for n in $(seq "$((RUNS * 3))"); do
    # The expression is bad from the first scrape after that moment: no exporter of ours is in between.
    bad_from=$((($(date +%s%N) / 1000000) + 40000 + RANDOM % 15000))
    cat >"$work/config/signals.yaml" <<Y
prometheus:
  url: $prometheus_url
  expressions:
    request_rate: "100 * prometheus_build_info ^ 0"
    error_rate: "5 * (sum(timestamp(prometheus_build_info)) >= bool $bad_from / 1000)"
    latency_p95: ""
    restarts: ""
Y
    open_release --config "$work/config/signals.yaml"
    told=$(ask gonogo 'wait 180 BREACH')
    [[ $told == at=* ]] || { shown gonogo >&2; exit 1; }
    close_screen gonogo
    third=$(scrapes_since "$bad_from" | sed -n 3p)
    ((third)) || { echo "no third scrape since $bad_from: $(scrapes_since 0 | tail -3 | tr '\n' ' ')" >&2; exit 1; }
    banner+=($(($(value at "$told") / 1000000 - third)))
  done
  stop_prometheus

  echo "settle_s: $settle" >"$work/config/signals.yaml"
  for n in $(seq "$((RUNS * 3))"); do
    open_release --config "$work/config/signals.yaml"
    release "v1.5.$n"
    # Each state of the Deployment when it came, as another client of the API server sees it.
    "$kubectl" get -n bench deployment/small --watch -o jsonpath='{.spec.template.spec.containers[0].image} {.metadata.generation} {.status.observedGeneration} {.status.updatedReplicas} {.status.availableReplicas} {.status.replicas}{"\n"}' |
      while read -r state; do echo "$(millis) $state"; done >"$work/states" &
    watcher=$!
    ask gonogo 'keys R' >/dev/null
    [[ $(ask gonogo 'wait 30 Rollback ──') == at=* ]] || { shown gonogo >&2; exit 1; }
    ask gonogo 'settle 0.5' >/dev/null
    ask gonogo 'keys Y' >/dev/null
    told=$(ask gonogo 'wait 60 ■ SAFE')
    [[ $told == at=* ]] || { shown gonogo >&2; exit 1; }
    kill "$watcher" 2>/dev/null
    close_screen gonogo
    good=$(awk '$2 == "myapp:v1.2.0" && $3 == $4 && $5 == 4 && $6 == 4 && $7 == 4 { print $1; exit }' "$work/states")
    safe+=($(($(value at "$told") / 1000000 - good - settle * 1000)))
  done
  table "signals, median of $((RUNS * 3))" 'to the screen' 'all of them'
  row 'the scrape that makes 3 of 3 readings bad → BREACH, readings and scrapes every 15 s' "$(printf '%s\n' "${banner[@]}" | median) ms" "${banner[*]}"
  row "complete, and $settle s of calm → SAFE" "$(printf '%s\n' "${safe[@]}" | median) ms" "${safe[*]}"
}

# One loud pod on the real node, and who reads its log.

number_of_last() { printf '%09d' "$1"; }

deploy_loud() {
  "$kubectl" apply -n bench -f - >/dev/null <<Y
apiVersion: apps/v1
kind: Deployment
metadata: {name: app}
spec:
  replicas: 1
  selector: {matchLabels: {app: app}}
  strategy: {type: Recreate}
  template:
    metadata: {labels: {app: app}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - {name: app, image: "myapp:v1.2.0", args: [log_rate=0, requests=0]}
Y
  "$kubectl" rollout status -n bench deployment/app --timeout=60s >/dev/null
}

# A pod with an empty log; sets $pod and $address.
fresh_pod() {
  "$kubectl" delete pod -n bench --all --wait >/dev/null
  # Deleted is not yet replaced.
  for _ in $(seq 200); do
    pod=$("$kubectl" get pods -n bench --field-selector=status.phase=Running -o jsonpath='{.items[*].metadata.name}')
    [[ $pod && $pod != *' '* ]] && break
    sleep 0.2
  done
  address=$("$kubectl" get pod -n bench "$pod" -o jsonpath='{.status.podIP}')
  # The kubelet's own bookkeeping of the new pod is over.
  sleep 3
}
settings() { curl -sSf -X PUT "http://$address:8080/settings" -d "$1" >/dev/null; }
burst() { settings "{\"burst\":{\"lines\":$1,\"bytes\":108,\"rate\":$2}}"; }

# What a reader wrote: how many of the numbers 1 to $1 are missing, how many came twice.
accounted() {
  awk -v n="$1" '{ at = index($0, " GET /cart/"); if (at) { number = substr($0, at - 15, 9) + 0; if (seen[number]++) doubled++; else different++ } }
    END { printf "%d lost, %d doubled", n - different, doubled + 0 }' "$2"
}

# One program follows to a file: label, name of its words. Sets $follow_cpu.
follow_with() {
  local label=$1 usage last
  follow_cpu=''
  is_there "$2" || { absent "$label" '' '' ''; return; }
  local -n command=$2
  last=$(number_of_last "$N_LINES")
  fresh_pod
  as "${2%%_*}" "$measure" "$work/usage" "${command[@]}" >"$work/followed" 2>"$work/follow.err" &
  follower=$!
  for _ in $(seq 300); do grep -q 'INFO starting' "$work/followed" && break; sleep 0.1; done
  burst "$N_LINES" "$RATE"
  # Twice the time that it takes, and a minute.
  for _ in $(seq $((N_LINES * 4 / RATE + 120))); do
    tail -c 1000 "$work/followed" | grep -q "$last " && break
    kill -0 "$follower" 2>/dev/null || break
    sleep 0.5
  done
  kill -INT "$follower" 2>/dev/null || true
  wait "$follower" || true
  follower=''
  usage=$(cat "$work/usage")
  follow_cpu=$(value cpu "$usage")
  row "$label" "$follow_cpu s" "$(calculate '%.2f' "$follow_cpu / ${kubectl_cpu:-$follow_cpu}")" \
    "$(mib "$(value peak "$usage")")" "$(accounted "$N_LINES" "$work/followed")"
}
part_follow() {
  local kubectl_cpu=''
  table "following $N_LINES lines of 108 bytes at $RATE a second, to a file" 'CPU' '÷ kubectl' 'peak memory' 'lines'
  follow_with '`kubectl logs -f`' kubectl_follow
  kubectl_cpu=$follow_cpu
  follow_with '`gonogo logs -f`' gonogo_follow
  follow_with '`stern`' stern_follow
  rm -f "$work/followed"
}

# One program reads all that is there: label, name of its words. Sets $once_cpu.
once_with() {
  local label=$1 peak=0 all=()
  once_cpu=''
  is_there "$2" || { absent "$label" '' '' ''; return; }
  local -n command=$2
  for _ in $(seq "$RUNS"); do
    (as "${2%%_*}" "$measure" "$work/usage" "${command[@]}" >"$work/read" 2>"$work/once.err") || true
    all+=("$(value cpu "$(cat "$work/usage")")")
    peak=$(value peak "$(cat "$work/usage")")
  done
  once_cpu=$(printf '%s\n' "${all[@]}" | median)
  row "$label" "$once_cpu s (${all[*]})" "$(calculate '%.2f' "$once_cpu / ${kubectl_cpu:-$once_cpu}")" "$(mib "$peak")" \
    "$(accounted "$N_LINES" "$work/read")"
}
part_once() {
  local kubectl_cpu='' last
  last=$(number_of_last "$N_LINES")
  fresh_pod
  burst "$N_LINES" 0
  for _ in $(seq 600); do "$kubectl" logs -n bench "$pod" --tail=1 | grep -q "$last " && break; sleep 0.5; done
  table "reading the same lines at once, median of $RUNS" 'CPU' '÷ kubectl' 'peak memory' 'lines'
  once_with '`kubectl logs`' kubectl_once
  kubectl_cpu=$once_cpu
  once_with '`gonogo logs`' gonogo_once
  once_with '`stern --no-follow`' stern_once
  rm -f "$work/read"
}

# When the runtime took the last line from the container. Units: nanoseconds since 1970.
last_line_at() { date -d "$("$kubectl" logs -n bench "$pod" --timestamps --tail=1 | cut -d' ' -f1)" +%s%N; }

# Opens a program with the log on its screen: name. False when the log never shows.
open_log() {
  local -n command=${1}_watch
  local keys=${1}_to_log
  fresh_pod
  open_screen "$1" "${command[@]}"
  [[ $(ask "$1" "wait 30 $pod") == at=* || $(ask "$1" "wait 5 ${pod: -5}") == at=* ]] || return 1
  [[ ! ${!keys} ]] || ask "$1" "keys ${!keys}" >/dev/null
  [[ $(ask "$1" 'wait 30 INFO starting') == at=* ]]
}
cockpit_with() {
  local name=$1 before at after last
  is_there "${name}_watch" || { absent "$name" '' '' '' ''; return; }
  last=$(number_of_last "$N_LINES")
  if ! open_log "$name"; then
    row "$name" "the log never showed" '' '' '' ''
    shown "$name" >&2
    close_screen "$name"
    return
  fi
  before=$(ask "$name" usage)
  burst "$N_LINES" "$RATE"
  at=$(ask "$name" "wait $((N_LINES * 2 / RATE + 60)) $last")
  after=$(ask "$name" usage)
  local behind='never' seconds
  [[ $at == at=* ]] && behind="$((($(value at "$at") - $(last_line_at)) / 1000000)) ms"
  seconds=$(calculate '%.3f' "($(value at "$after") - $(value at "$before")) / 1e9")
  row "$name" "$(calculate '%.2f s' "$(value cpu "$after") - $(value cpu "$before")")" "$(mib "$(value peak "$after")")" \
    "$behind" "$(calculate '%.1f kB/s' "($(value bytes "$after") - $(value bytes "$before")) / 1000 / $seconds")" \
    "$(calculate '%.1f' "($(value frames "$after") - $(value frames "$before")) / $seconds")"
  shown "$name" >"$OUT/cockpit-$name.txt"
  close_screen "$name"
}
part_cockpit() {
  table "$N_LINES lines at $RATE a second, drawn at 160×48" 'CPU' 'peak memory' 'behind at the end' 'to the terminal' 'frames/s'
  cockpit_with gonogo
  cockpit_with k9s
}

keys_with() {
  local name=$1 n=$2 rate=$3 before answer after seconds
  local -n toggle=${name}_toggle
  is_there "${name}_watch" || { absent "$name" '' '' '' ''; return; }
  if ! open_log "$name"; then
    row "$name" "the log never showed" '' '' '' ''
    close_screen "$name"
    return
  fi
  # More than the keys take; the pod ends with the part.
  burst $((rate * 180)) "$rate"
  ask "$name" 'settle 10' >/dev/null
  before=$(ask "$name" usage)
  answer=$(ask "$name" "press $n ${toggle[*]}")
  after=$(ask "$name" usage)
  seconds=$(calculate '%.3f' "($(value at "$after") - $(value at "$before")) / 1e9")
  if [[ $answer == median=* ]]; then
    row "$name" "$(value median "$answer") ms" "$(value p99 "$answer") ms" "$(value worst "$answer") ms" "$(value n "$answer")" \
      "$(calculate '%.0f %% of a core' "100 * ($(value cpu "$after") - $(value cpu "$before")) / $seconds")"
  else
    row "$name" "$answer" '' '' '' ''
  fi
  close_screen "$name"
}
part_keys() {
  table "key to screen while 13 000 lines a second arrive" 'median' 'p99' 'worst' 'keys' 'CPU meanwhile'
  keys_with gonogo 100 13000
  keys_with k9s 30 13000
}

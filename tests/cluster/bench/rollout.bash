# Many pods on simulated nodes, and who watches them.

deploy_many() {
  seq 2 50 | while read -r n; do
    printf -- '---\napiVersion: v1\nkind: Node\nmetadata: {name: fake-%d, annotations: {kwok.x-k8s.io/node: fake}, labels: {kubernetes.io/hostname: fake-%d}}\n' "$n" "$n"
  done | "$kubectl" apply -f - >/dev/null
  "$kubectl" apply -n bench -f - >/dev/null <<Y
apiVersion: apps/v1
kind: Deployment
metadata: {name: app}
spec:
  replicas: $N_PODS
  progressDeadlineSeconds: 1200
  selector: {matchLabels: {app: app}}
  template:
    metadata: {labels: {app: app}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - {name: app, image: "myapp:v1.2.0"}
Y
  "$kubectl" rollout status -n bench deployment/app --timeout=20m >/dev/null
}
image() { "$kubectl" set image -n bench deployment/app "app=myapp:$1" >/dev/null; }

# Opens what watches pods on a screen and lets it find its rest: name.
open_watch() {
  [[ ! ${screen_pid[$1]:-} ]] || return 0
  local -n command=${1}_watch
  open_screen "$1" "${command[@]}"
  ask "$1" 'wait 60 app-' >/dev/null
  ask "$1" 'settle 15' >/dev/null
}

part_rollout() {
  local name watchers=() began usage
  declare -A before
  # All watch the same rollout: what one machine gives to one of them is missing for all.
  for name in gonogo k9s; do
    is_there "${name}_watch" || continue
    open_watch "$name"
    watchers+=("$name")
    before[$name]=$(ask "$name" usage)
  done
  began=$(date +%s)
  image v1.3.0
  "$measure" "$work/usage" "${kubectl_rollout[@]}" >"$work/rollout"
  # Its last pods also leave.
  "$kubectl" wait -n bench --for=jsonpath='{.status.replicas}'="$N_PODS" deployment/app --timeout=5m >/dev/null
  local took=$(($(date +%s) - began))
  table "rollout of $N_PODS pods in $took s" 'CPU' 'peak memory' 'to the terminal'
  usage=$(cat "$work/usage")
  row '`kubectl rollout status` (looks at no pod)' "$(value cpu "$usage") s" "$(mib "$(value peak "$usage")")" \
    "$(wc -l <"$work/rollout") lines"
  for name in "${watchers[@]}"; do
    usage=$(ask "$name" usage)
    row "$name" "$(calculate '%.2f s' "$(value cpu "$usage") - $(value cpu "${before[$name]}")")" \
      "$(mib "$(value peak "$usage")")" \
      "$(calculate '%.0f kB' "($(value bytes "$usage") - $(value bytes "${before[$name]}")) / 1000")"
    shown "$name" >"$OUT/rollout-$name.txt"
  done
  [[ ${#watchers[@]} -gt 0 && ${watchers[0]} == gonogo ]] || absent gonogo '' ''
}

part_idle() {
  local name usage before seconds noted=0
  table "$N_PODS pods, nothing happens, 60 s" 'CPU' 'memory' 'to the terminal'
  for name in gonogo k9s; do
    is_there "${name}_watch" || { absent "$name" '' ''; continue; }
    open_watch "$name"
    ask "$name" 'settle 20' >/dev/null
    before=$(ask "$name" usage)
    [[ $name == gonogo ]] && noted=$(wc -l <"$work/cluster/audit.log")
    ask "$name" 'settle 60' >/dev/null
    usage=$(ask "$name" usage)
    [[ $name == gonogo ]] && tail -n +$((noted + 1)) "$work/cluster/audit.log" >"$work/asked"
    seconds=$(calculate '%.3f' "($(value at "$usage") - $(value at "$before")) / 1e9")
    row "$name" "$(calculate '%.2f %% of a core' "100 * ($(value cpu "$usage") - $(value cpu "$before")) / $seconds")" \
      "$(mib "$(value rss "$usage")")" \
      "$(calculate '%.2f kB/s' "($(value bytes "$usage") - $(value bytes "$before")) / 1000 / $seconds")"
  done
  [[ -e $work/asked ]] || return 0
  table 'what gonogo asked the API server in these 60 s' 'requests'
  # One line a request, the path without its question; of logs it does not matter whose.
  jq -r 'select(.user.username == "gonogo") | "\(.verb) \(.requestURI | split("?")[0])"' "$work/asked" |
    sed 's#/pods/[^/]*/log$#/pods/POD/log#' | sort | uniq -c |
    while read -r count request; do row "$request" "$count"; done
}

part_churn() {
  is_there gonogo_watch || { table "$N_PODS pods, rollouts for $MINUTES minutes" 'memory'; absent gonogo; return; }
  local file=$OUT/churn.csv began now next=0 n=0 usage
  open_watch gonogo
  began=$(date +%s)
  echo seconds,rss_kib,cpu_seconds,rollouts >"$file"
  while now=$(($(date +%s) - began)) && ((now < MINUTES * 60)); do
    # Before the rollout before it is through: pods of three revisions at once, and none of them for long.
    if ((now >= next)); then
      image "v1.$((2 + (n += 1) % 3)).0"
      next=$((now + 75))
    fi
    # Takes in what came meanwhile: a terminal that nobody reads would stop the program.
    usage=$(ask gonogo 'settle 5' >/dev/null; ask gonogo usage)
    echo "$now,$(value rss "$usage"),$(value cpu "$usage"),$n" >>"$file"
  done
  table "$N_PODS pods, $n rollouts one into the other, $MINUTES minutes" 'memory after 1 minute' 'at the end' 'peak' 'CPU'
  row gonogo "$(mib "$(awk -F, 'NR > 1 && $1 >= 60 { print $2; exit }' "$file")")" "$(mib "$(tail -1 "$file" | cut -d, -f2)")" \
    "$(mib "$(value peak "$usage")")" "$(tail -1 "$file" | cut -d, -f3) s"
  echo
  echo "Every five seconds in $file."
}

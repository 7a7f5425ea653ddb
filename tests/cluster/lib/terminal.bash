# Plays gonogo in a terminal of its own by keys alone, each sent when the screen says that it is time, and asks the
# cluster with kubectl whether what the screen claims is so. Expects $here, $work, a folder to write to, and $gonogo.

# Several at once differ by $session, and are on machines of their own when $state differs, too.

socket=gonogo-cluster-$$
session=gonogo state=''
terminal() { tmux -L "$socket" "$@"; }
screen() { terminal capture-pane -p -t "$session"; }

# Starts gonogo with these arguments.
open_terminal() {
  terminal -f /dev/null new-session -d -s "$session" -x 160 -y 48 env PATH="$PATH" KUBECONFIG="$KUBECONFIG" \
    XDG_STATE_HOME="${state:-$work/state}" XDG_CONFIG_HOME="$work/config" LC_ALL=C.UTF-8 \
    bash -c 'cd "$1"; shift; "$@"; echo "exit code $?"; read -r' - "$work" "$gonogo" "$@"
}
close_terminal() { terminal kill-server 2>/dev/null || true; }

fail() {
  echo "FAILED: $1" >&2
  screen >&2 || true
  exit 1
}
# Waits until the screen matches an extended regular expression. Units: tenths of a second.
see() {
  for _ in $(seq "${2:-300}"); do
    # What was seen is kept: the next screen may say something else already.
    if found=$(screen | grep -Eo -m1 -- "$1" | head -1) && [[ $found ]]; then echo "seen: $found"; return; fi
    sleep 0.1
  done
  fail "the screen never said: $1"
}
# A key that decides must have been let go since the last one: not faster than a person reads.
keys() { sleep 0.3; terminal send-keys -t "$session" "$@"; }
agree() { [[ $2 == "$3" ]] || fail "$1: $2, expected $3"; echo "kubectl agrees: $1"; }

# What is released, and the document of it.
workload=deployment
document=$here/workflow.md

# Starts the release of $document, and with it the change of the image to $1; returns when it is done.
release() {
  open_terminal run "$document" --namespace shop --param VERSION="$1" --operator ana
  see 'PREPARING'
  see 'ARMED → rev 1 myapp:v1.2.0'
  keys r
  see '▶ ☐ The tests pass on main'
  keys Space
  see '▶ ☐ Nobody else is deploying right now'
  keys Space
  see '▶ ❯ Depending on the tool'
  keys Enter
  see "\( \) 1 +kubectl set image $workload/app app=myapp:$1"
  keys 1
  see '\(•\) 1 +kubectl set image'
  keys r
  see "$workload.apps/app image updated"
}

# What runs before a release, complete: $1, or deployment.yaml.
deploy() {
  kubectl create namespace shop >/dev/null
  kubectl apply -f "${1:-$here/deployment.yaml}" >/dev/null
  kubectl rollout status -n shop "$workload/app" --timeout=60s >/dev/null
}
field() { kubectl get -n shop "$workload" app -o jsonpath="$1"; }

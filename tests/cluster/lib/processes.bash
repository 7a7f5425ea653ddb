# Starting and stopping by process id. Expects to stand in the state folder.

# name, command...: starts it; its output goes to NAME.log, its id to `pids`, its words to NAME.command for `restart`.
start() {
  local name=$1
  shift
  printf '%q ' "$@" >"$name.command"
  "$@" >>"$name.log" 2>&1 &
  echo "$! $name $(began $!)" >>pids
}

# When a process began: an id alone may belong to somebody else by now.
began() { ps -o lstart= -p "$1" 2>/dev/null | tr -s ' ' _ || true; }

# Reads lines of `pids`; stops what still runs, in the order given.
stop_all() {
  local pid name since pids=()
  while read -r pid name since; do
    [[ $(began "$pid") == "$since" ]] || continue
    # A node is a whole process tree with its own first process, which only this ends.
    if [[ $name == node ]]; then kill -KILL "$pid" 2>/dev/null; else kill "$pid" 2>/dev/null; fi
    pids+=("$pid")
  done
  for pid in "${pids[@]}"; do
    for _ in $(seq 50); do kill -0 "$pid" 2>/dev/null || continue 2; sleep 0.1; done
    kill -KILL "$pid" 2>/dev/null
  done
}

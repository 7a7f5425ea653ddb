# What the parts share: programs under measurement, and rows. Expects $work, $bench, $root, $bin.

build_tools() {
  measure=$work/measure
  (cd "$bench/measure" && CGO_ENABLED=0 go build -o "$measure" .)
  # Not optimised on purpose: it builds fast, and what it takes to read a screen is not measured.
  screen=${SCREEN:-}
  [[ $screen ]] || screen=$(cd "$root" && cargo build --quiet --bench screen --message-format=json |
    sed -n 's/.*"executable":"\([^"]*\/screen-[^"]*\)".*/\1/p' | tail -1)
  [[ -x $screen ]] || { echo "the bench screen was not built" >&2; exit 1; }
}

heading() {
  echo "Measured $(date -u +%Y-%m-%d) on $(nproc) × $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)," \
    "$(awk '/^MemTotal/ { printf "%.0f GB", $2 / 1e6 }' /proc/meminfo), Linux $(uname -r), load at the start $(cut -d' ' -f1 /proc/loadavg)."
  # Only of what was built here is it known from what.
  local from=''
  [[ ${GONOGO:-} ]] || from=$(cd "$root" && git describe --always --dirty 2>/dev/null | sed 's/^/ (/; s/$/)/')
  echo "$("$gonogo" --version)$from" \
    "· kubectl $("$kubectl" version --client | sed -n 's/^Client Version: v//p')" \
    "${stern:+· stern $("$stern" --version | sed -n 's/^version: //p')}" \
    "${k9s:+· k9s $("$k9s" version --short | sed -n 's/^Version *//p')}" "· Kubernetes 1.36.3"
}

# ── the cluster

use_cluster() {
  export PATH=$bin:$PATH KUBECONFIG=$work/cluster/kubeconfig
  # gonogo comes under a name of its own, by which the API server's audit log tells what it asked.
  (cd "$work/cluster" && . "$here/lib/control-plane.bash" && certificate gonogo /O=system:masters/CN=gonogo &&
    sed 's#/admin\.#/gonogo.#g' kubeconfig >gonogo.kubeconfig)
  "$kubectl" create namespace bench >/dev/null
}
# name, command...: runs it as a program under measurement. What gonogo keeps and k9s is set to is not this user's.
as() {
  local name=$1 config=$KUBECONFIG
  shift
  [[ $name != gonogo ]] || config=$work/cluster/gonogo.kubeconfig
  mkdir -p "$work/config/k9s"
  # It must not look for newer versions of itself.
  printf 'k9s:\n  skipLatestRevCheck: true\n' >"$work/config/k9s/config.yaml"
  exec env KUBECONFIG="$config" XDG_STATE_HOME="$work/state" XDG_CONFIG_HOME="$work/config" \
    XDG_DATA_HOME="$work/data" XDG_CACHE_HOME="$work/cache" "$@"
}

# ── numbers

# value NAME "a=1 b=2": the value of a name
value() { sed -n "s/.*\b$1=\([^ ]*\).*/\1/p" <<<"$2"; }
calculate() { awk "BEGIN { printf \"$1\", $2 }"; }
mib() { calculate '%.0f MB' "$1 / 1024"; }
row() { printf '| %s ' "$@"; printf '|\n'; }
# A table's head: the columns.
table() { echo; row "$@"; printf '| --- %.0s' "$@"; echo '|'; }
median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

# Whether a program can be asked for: the name of its array of words.
is_there() {
  local -n words=$1
  [[ ${words[0]} && -x $(command -v "${words[0]}") ]] || return 1
  # A command that this build of gonogo does not have yet.
  [[ $1 != gonogo_* ]] || "$gonogo" "${words[1]}" --help >/dev/null 2>&1
}
absent() { row "$1" "not there" "${@:2}"; }

# ── programs on a screen

declare -A screen_in screen_out screen_pid
# name, command...: runs it in a terminal of 160×48
open_screen() {
  local name=$1 in out
  shift
  mkfifo "$work/$name.in" "$work/$name.out"
  as "$name" "$screen" "$@" <"$work/$name.in" >"$work/$name.out" 2>"$work/$name.err" &
  screen_pid[$name]=$!
  exec {in}>"$work/$name.in" {out}<"$work/$name.out"
  screen_in[$name]=$in screen_out[$name]=$out
}
# name, question: prints the answer
ask() {
  local answer
  echo "${*:2}" >&"${screen_in[$1]}"
  read -r answer <&"${screen_out[$1]}" || answer="gone: $(tail -3 "$work/$1.err")"
  echo "$answer"
}
# name: what it shows now
shown() {
  local line
  echo dump >&"${screen_in[$1]}"
  while IFS= read -r line <&"${screen_out[$1]}"; do [[ $line == end ]] && break; echo "$line"; done
}
close_screen() {
  local in=${screen_in[$1]} out=${screen_out[$1]}
  echo quit >&"$in" || true
  wait "${screen_pid[$1]}" || true
  exec {in}>&- {out}<&-
  unset "screen_pid[$1]"
  rm -f "$work/$1.in" "$work/$1.out"
}
end_all_screens() {
  local name
  for name in "${!screen_pid[@]}"; do kill "${screen_pid[$name]}" 2>/dev/null; unset "screen_pid[$name]"; done
}

#!/usr/bin/env bash
# Runs `gonogo plan` over every Markdown file below the given folders (default: the cargo registry and
# the packages' documentation), and counts: files, plans, errors in documents, panics, the slowest.
#
#   tests/any_markdown.sh [-n FILES] [FOLDER...]      GONOGO=target/debug/gonogo
#
# Exits 1 when anything but a plan came out. A file is a process of its own, so that one that hangs or
# dies is named; start-up is counted in.
set -u
gonogo=${GONOGO:-target/debug/gonogo}
most=1000000
if [ "${1:-}" = -n ]; then most=$2; shift 2; fi
if [ $# -eq 0 ]; then set -- "${CARGO_HOME:-$HOME/.cargo}/registry" /usr/share/doc /usr/lib/node_modules; fi
files=0 plans=0 panics=0 other=0 steps=0 slowest=0 slowest_file='' bytes=0
out=$(mktemp) err=$(mktemp)
trap 'rm -f "$out" "$err"' EXIT
while IFS= read -r -d '' file; do
  [ "$files" -lt "$most" ] || break
  files=$((files + 1))
  bytes=$((bytes + $(stat -c %s "$file")))
  began=$(date +%s%N)
  timeout 60 "$gonogo" plan "$file" >"$out" 2>"$err"
  code=$?
  took=$((($(date +%s%N) - began) / 1000000))
  if [ "$took" -gt "$slowest" ]; then slowest=$took slowest_file=$file; fi
  if grep -q 'panicked at' "$err"; then
    panics=$((panics + 1)); echo "panic: $file"; head -3 "$err"
  elif [ -s "$out" ] && [ "$code" -le 1 ]; then
    plans=$((plans + 1))
    grep -q '^asks .*[1-9][0-9]* step' "$out" && steps=$((steps + 1))
  else
    other=$((other + 1)); echo "exit $code: $file"; head -3 "$err"
  fi
done < <(find -L "$@" -type f \( -iname '*.md' -o -iname '*.markdown' \) -print0 2>/dev/null)
echo "files $files ($((bytes / 1024)) KB)  plans $plans  with steps $steps  panics $panics  other $other"
echo "slowest $slowest ms  $slowest_file"
[ "$panics" -eq 0 ] && [ "$other" -eq 0 ] && [ "$files" -gt 0 ]

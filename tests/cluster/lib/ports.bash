# Ports on loopback that nobody has, also when several clusters start at once.

reserved=${TMPDIR:-/tmp}/gonogo-cluster-ports.$UID

is_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Sets $base: it and the nine after it are free, and ours until `release_ports`.
reserve_ports() {
  local offset
  mkdir -p "$reserved"
  while true; do
    # Below 32768, where Linux takes the ports of outgoing connections from.
    base=$((20000 + RANDOM % 1200 * 10))
    mkdir "$reserved/$base" 2>/dev/null || continue
    for offset in 0 1 2 3 4 5 6 7 8 9; do is_free $((base + offset)) || { rmdir "$reserved/$base"; continue 2; }; done
    return
  done
}

release_ports() { rmdir "$reserved/$1" "$reserved" 2>/dev/null || true; }

# Where things are. Expects $here, the folder tests/cluster.
bin=${GONOGO_CLUSTER_BIN:-${XDG_CACHE_HOME:-$HOME/.cache}/gonogo-cluster/bin}
# One folder of binaries serves several checkouts: the application's name tells what it was built from.
app=app-$(cat "$here"/app/go.mod "$here"/app/*.go | cksum | cut -d' ' -f1)
# An exit code that says: not run here, for a reason that was printed.
skipped=77

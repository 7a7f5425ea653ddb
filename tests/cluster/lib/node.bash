# One real node: kubelet, containerd and runc. Expects $here, $bin, $dir, $base, $app.
#
# All of it, containers included, is one process tree with mounts of its own: when its first process ends, the kernel
# ends the rest, and no mount is left. Outside of it there are only a bridge, an address on the loopback interface and
# a branch of the control groups; all three carry the node's number.

# Says why there can be no real node here, and nothing when there can.
node_obstacle() {
  if [[ $(id -u) != 0 ]]; then
    echo "a real node needs root"
  elif [[ ! -e /etc/debian_version ]]; then
    echo "a real node is known to work on Debian only"
  elif ! command -v ip >/dev/null; then
    echo "iproute2 is not installed"
  elif ! unshare --mount --pid --kill-child --mount-proc --propagation private true 2>/dev/null; then
    echo "namespaces cannot be made here"
  elif ! [[ -w /sys/fs/cgroup/cgroup.procs || -w /sys/fs/cgroup/memory/cgroup.procs ]]; then
    echo "control groups cannot be made here"
  elif [[ ! -x $bin/runc ]] && ! { command -v cc && command -v pkg-config && pkg-config --exists libseccomp; } >/dev/null; then
    echo "gcc, pkg-config or libseccomp-dev is not installed"
  fi
}

# One folder per hierarchy of version 1, one in all of version 2.
control_groups() { awk -v name="$1" '$3 ~ /^cgroup2?$/ { print $2 "/" name }' /proc/self/mounts; }

# Sets $number. A bridge can be made once only, so two nodes at once never share a number.
reserve_node() {
  for number in $(seq 1 250); do
    [[ $(ip -o address) == *" 10.213.$number."* ]] && continue
    ip link add name "gonogo$number" type bridge 2>/dev/null || continue
    echo "$number" >node-number
    ip address add "10.213.$number.1/24" dev "gonogo$number"
    ip link set "gonogo$number" up
    # A node may not have a loopback address, so the loopback interface gets one more.
    ip address add "10.214.$number.1/32" dev lo
    [[ -e /sys/fs/cgroup/cgroup.subtree_control ]] &&
      echo '+cpu +cpuset +memory +pids' >/sys/fs/cgroup/cgroup.subtree_control
    control_groups "gonogo$number" | xargs mkdir -p
    return
  done
  echo "no free number for a node" >&2
  return 1
}

# Undoes `reserve_node`, once the node's processes have ended.
release_node() {
  local number=$1
  ip link delete "gonogo$number" 2>/dev/null
  ip address delete "10.214.$number.1/32" dev lo 2>/dev/null
  for _ in $(seq 50); do
    # The kernel lets go of a group when the last of its processes is buried.
    control_groups "gonogo$number" | xargs -I@ find @ -depth -type d -delete 2>/dev/null
    control_groups "gonogo$number" | xargs ls -d 2>/dev/null | grep -q . || return 0
    sleep 0.1
  done
}

start_node() {
  local registry
  reserve_node
  start registry "$bin/$app" registry
  for _ in $(seq 100); do registry=$(head -1 registry.log); [[ $registry ]] && break; sleep 0.1; done
  mkdir -p network kubelet pod-logs registries/_default
  # Whatever registry an image's name says: this one is asked, and nothing beyond this machine.
  printf 'server = "http://%s"\n' "$registry" >registries/_default/hosts.toml
  cat >network/10.conflist <<Y
{"cniVersion": "1.0.0", "name": "gonogo$number", "plugins": [{"type": "bridge", "bridge": "gonogo$number",
 "ipam": {"type": "host-local", "dataDir": "$dir/addresses", "ranges": [[{"subnet": "10.213.$number.0/24"}]]}}]}
Y
  # Native snapshots work on any file system. The account may lack CAP_SYS_RESOURCE, without which no container's
  # badness for the OOM killer can be lowered.
  cat >containerd.toml <<Y
version = 3
root = "$dir/containerd"
state = "$dir/containerd-state"
[grpc]
address = "$dir/containerd.sock"
[plugins.'io.containerd.cri.v1.images']
snapshotter = "native"
[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = "docker.io/library/pause:1"
[plugins.'io.containerd.cri.v1.images'.registry]
config_path = "$dir/registries"
[[plugins.'io.containerd.transfer.v1.local'.unpack_config]]
platform = "linux"
snapshotter = "native"
[plugins.'io.containerd.cri.v1.runtime']
restrict_oom_score_adj = true
[plugins.'io.containerd.cri.v1.runtime'.cni]
bin_dirs = ["$bin"]
conf_dir = "$dir/network"
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
BinaryName = "$bin/runc"
SystemdCgroup = false
Y
  cat >kubelet.yaml <<Y
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: 10.214.$number.1
port: $((base + 3))
healthzPort: 0
authentication: {anonymous: {enabled: false}, webhook: {enabled: false}, x509: {clientCAFile: $dir/ca.crt}}
authorization: {mode: AlwaysAllow}
tlsCertFile: $dir/server.crt
tlsPrivateKeyFile: $dir/server.key
cgroupDriver: cgroupfs
cgroupRoot: /gonogo$number
failCgroupV1: false
failSwapOn: false
enforceNodeAllocatable: []
containerRuntimeEndpoint: unix://$dir/containerd.sock
podLogsDir: $dir/pod-logs
resolvConf: ""
clusterDNS: [10.0.0.10]
clusterDomain: cluster.local
evictionHard: {nodefs.available: 1Mi, memory.available: 50Mi, imagefs.available: 1Mi, nodefs.inodesFree: 0%}
containerLogMaxSize: ${GONOGO_CLUSTER_LOG_SIZE:-10Mi}
containerLogMonitorInterval: 3s
Y
  "$bin/$app" image images.tar docker.io/library/pause:1 \
    docker.io/library/myapp:v1.2.0 docker.io/library/myapp:v1.3.0 docker.io/library/myapp:v1.4.0
  start node unshare --mount --pid --kill-child --mount-proc --propagation private \
    "$here/lib/inside-node" "$dir" "$bin" "10.214.$number.1"
}

# etcd, API server, controllers and scheduler on loopback. Expects $bin, $dir, $base.

certificate() { # name, subject
  openssl req -newkey rsa:2048 -nodes -keyout "$1.key" -out "$1.csr" -subj "$2" 2>/dev/null
  openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -out "$1.crt" -days 7 \
    -extfile <(echo "subjectAltName=IP:127.0.0.1,IP:10.0.0.1,DNS:localhost") 2>/dev/null
}

start_control_plane() {
  local etcd=http://127.0.0.1:$((base + 1)) peers=http://127.0.0.1:$((base + 2)) audit=()
  openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -subj /CN=gonogo-cluster -days 7 2>/dev/null
  openssl genrsa -out sa.key 2048 2>/dev/null
  openssl rsa -in sa.key -pubout -out sa.pub 2>/dev/null
  certificate server /CN=server
  certificate admin /O=system:masters/CN=admin
  cat >kubeconfig <<Y
apiVersion: v1
kind: Config
clusters: [{name: local, cluster: {server: "https://127.0.0.1:$base", certificate-authority: $dir/ca.crt}}]
users: [{name: admin, user: {client-certificate: $dir/admin.crt, client-key: $dir/admin.key}}]
contexts: [{name: local, context: {cluster: local, user: admin, namespace: default}}]
current-context: local
Y
  if [[ ${GONOGO_CLUSTER_AUDIT:-} ]]; then
    printf 'apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [ResponseStarted, ResponseComplete, Panic]\nrules: [{level: Metadata}]\n' >audit.yaml
    audit=(--audit-policy-file=audit.yaml --audit-log-path="$dir/audit.log")
  fi
  start etcd etcd --data-dir etcd --unsafe-no-fsync --listen-client-urls "$etcd" --advertise-client-urls "$etcd" \
    --listen-peer-urls "$peers" --initial-advertise-peer-urls "$peers" --initial-cluster "default=$peers"
  start kube-apiserver kube-apiserver --etcd-servers="$etcd" \
    --secure-port="$base" --bind-address=127.0.0.1 --advertise-address=127.0.0.1 --endpoint-reconciler-type=none \
    --tls-cert-file=server.crt --tls-private-key-file=server.key --client-ca-file=ca.crt --cert-dir=. \
    --kubelet-client-certificate=admin.crt --kubelet-client-key=admin.key \
    --kubelet-preferred-address-types=InternalIP --service-account-issuer=https://kubernetes.default.svc \
    --service-account-key-file=sa.pub --service-account-signing-key-file=sa.key --authorization-mode=RBAC \
    --service-cluster-ip-range=10.0.0.0/24 "${audit[@]}"
  for _ in $(seq 600); do kubectl get --raw /readyz >/dev/null 2>&1 && break; sleep 0.1; done
  kubectl get --raw /readyz >/dev/null || { tail -5 kube-apiserver.log >&2; return 1; }
  # All controllers but the one that needs a pod network: without node-lifecycle every node stays tainted.
  start kube-controller-manager kube-controller-manager --kubeconfig=kubeconfig --bind-address=127.0.0.1 \
    --secure-port=0 --service-account-private-key-file=sa.key --root-ca-file=ca.crt --leader-elect=false \
    --controllers='*,-nodeipam' --kube-api-qps=200 --kube-api-burst=400
  start kube-scheduler kube-scheduler --kubeconfig=kubeconfig --bind-address=127.0.0.1 --secure-port=0 \
    --leader-elect=false --kube-api-qps=200 --kube-api-burst=400
}

# One simulated node, where an image's tag decides what a pod does. Expects $here, $dir, $base.

start_simulated_node() {
  touch app.log
  sed "s#@DIR@#$dir#g" "$here/kwok.yaml.in" >kwok.yaml
  # By annotation and not all nodes: a real one must keep its own word.
  start kwok kwok --kubeconfig=kubeconfig --config=kwok.yaml --node-ip=127.0.0.1 --node-port=$((base + 3)) \
    --manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake --server-address="127.0.0.1:$((base + 3))" \
    --tls-cert-file=server.crt --tls-private-key-file=server.key --node-lease-duration-seconds=40
  kubectl apply -f - >/dev/null <<Y
apiVersion: v1
kind: Node
metadata: {name: fake-1, annotations: {kwok.x-k8s.io/node: fake}, labels: {kubernetes.io/hostname: fake-1}}
Y
}

"""`join`: this node becomes a worker or a further control plane (kubeadm: cmd/join.go, cmd/phases/join).

The cluster is asked (`ask_cluster`) before anything on the node is changed.
"""

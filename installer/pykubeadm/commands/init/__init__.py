"""`init`: this node becomes the first control plane of a cluster (kubeadm: cmd/init.go, cmd/phases/init)."""

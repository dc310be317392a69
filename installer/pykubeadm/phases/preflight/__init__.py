"""What must be true before a node is changed (kubeadm: app/preflight)."""

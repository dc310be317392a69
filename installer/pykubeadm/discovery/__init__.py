"""Finds a cluster and its CA, by a bootstrap token and the public cluster-info or from a file (kubeadm: app/discovery)."""

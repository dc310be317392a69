"""Kubeconfig files on the node (kubeadm: phases/kubeconfig)."""

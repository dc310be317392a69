"""Certificates and keys on the node (kubeadm: phases/certs)."""

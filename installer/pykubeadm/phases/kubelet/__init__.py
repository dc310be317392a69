"""The kubelet: its files, its unit, the approval of its serving certificate (kubeadm: phases/kubelet)."""

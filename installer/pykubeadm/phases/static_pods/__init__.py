"""The manifests of the control plane's static pods (kubeadm: phases/controlplane, phases/etcd)."""

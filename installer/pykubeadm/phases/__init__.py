"""Phases, and the work of phases, that several commands share, by topic (kubeadm: app/phases). Glue only: read the run's
configuration, compute with pki/kubeconfig/manifests/tokens/addons, apply through the node port or `kube`."""

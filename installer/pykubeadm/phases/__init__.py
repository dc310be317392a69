"""The phases of every command: `init.py` is the tuple, one file a phase beside it. Glue only: read the run's
configuration, compute with pki/kubeconfig/manifests/tokens/addons, apply through the node port or `kube`."""

"""pykubeadm: from bare Linux nodes to a production Kubernetes cluster."""

__version__ = "0.1.0"

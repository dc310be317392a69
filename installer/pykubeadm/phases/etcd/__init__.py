"""The cluster's etcd, as a control plane on this node sees it."""

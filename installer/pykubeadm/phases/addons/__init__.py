"""CoreDNS and kube-proxy of a cluster that exists: brought to another version or configuration, users' changes kept."""

"""Small things with no opinion about Kubernetes clusters: durations, Go-like YAML."""

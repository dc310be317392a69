"""The phase engine: phases as data, the runner, events. Knows nothing of Kubernetes or of nodes."""

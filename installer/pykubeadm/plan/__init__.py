"""The phase engine: phases as data, the runner, the journal, events. Knows nothing of Kubernetes."""

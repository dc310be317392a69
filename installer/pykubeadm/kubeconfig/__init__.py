"""Kubeconfig files: which ones a control plane needs, building them, judging those that are there."""

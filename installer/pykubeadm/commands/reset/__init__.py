"""`reset`: takes this node out of its cluster and leaves it as it was before `init` or `join` (kubeadm: cmd/reset.go).

What belongs to the cluster is found by name, and only that goes. What cannot be removed is named at the end, after everything
else: a dead cluster or a stopped runtime keeps nothing from being cleaned up.
"""

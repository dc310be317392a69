"""`upgrade`: brings a cluster that exists to another version of Kubernetes, node by node (kubeadm: cmd/upgrade).

`apply` on the first control plane decides the version and changes what all nodes share; `node` brings each other node there.
`plan` and `diff` only look.
"""

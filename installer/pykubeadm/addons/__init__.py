"""The addons of every cluster, CoreDNS and kube-proxy, as documents in the order to apply them.

Pure: models in, plain data out.
"""

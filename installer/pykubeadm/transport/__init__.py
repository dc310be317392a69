"""How bytes reach a server: HTTP exchanges, proxies, TLS. Knows nothing of Kubernetes."""

"""`certs rotate-ca`: the cluster's CAs and the key of its ServiceAccounts are replaced, stage by stage (docs/adr/0012)."""

"""`etcd`: the members of etcd, snapshots of it, and what brings a cluster back that lost it."""

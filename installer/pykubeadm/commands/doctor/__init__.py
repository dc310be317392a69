"""`doctor`: looks for causes, on this node and in the cluster, and changes nothing.

`node_checks/` and `cluster_checks/` have the checks, a module for each topic. To add one: write a function that gives remarks,
none where all is well, and put it as a `Check` into the tuple of its module.
"""

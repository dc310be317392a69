"""`reconfigure`: brings a cluster that runs to another configuration, node by node.

On the first control plane, with a file, it changes what all nodes share; on each other node it does there what the cluster holds
by then. What is replaced is replaced as in an upgrade (phases/replacing).
"""

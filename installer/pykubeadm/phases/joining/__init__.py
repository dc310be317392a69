"""The phases of `join` and what they share. `cluster` is asked before anything on the node is changed."""

"""`node prepare` and `node facts`: the Ansible roles on this node or on those of an inventory."""

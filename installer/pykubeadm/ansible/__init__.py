"""Runs the node roles: workspace, inventory and variables for `ansible-playbook`, and its stream of events turned into ours."""

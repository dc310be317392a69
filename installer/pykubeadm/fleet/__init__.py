"""Whole clusters from one file: what is there on all machines, a plan, and the commands that carry it out, driven over SSH."""

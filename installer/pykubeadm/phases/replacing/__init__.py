"""Replaces what runs on a node that is part of a cluster, so that it finishes or is put back (docs/adr/0008-upgrades.md)."""

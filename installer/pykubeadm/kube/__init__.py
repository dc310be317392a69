"""The Kubernetes API: a client for plain documents, create-or-update that compares first, health probes and waits.

Used by the phases. Nothing here knows a phase; documents come from `manifests`, `tokens` and `addons`.
"""

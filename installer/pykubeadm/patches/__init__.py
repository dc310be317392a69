"""Patches for what is generated: files of the user's that change static pods, the kubelet's configuration and CoreDNS.

`files` reads them, `apply` applies them; `strategic`, `merge` and `json_patch` are the three kinds.
"""

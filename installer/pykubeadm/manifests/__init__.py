"""What a cluster consists of, as documents: static pods, the kubelet's configuration and flags, uploaded ConfigMaps.

Pure: configuration models and facts in, plain data (dicts as YAML would give them) out. Writing is the phases' work.
"""

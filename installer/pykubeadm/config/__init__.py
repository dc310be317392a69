"""From the user's text to a resolved configuration: load → model → defaults → validate.

Nothing here touches the node: what must be known of it comes in as `HostFacts`.
"""

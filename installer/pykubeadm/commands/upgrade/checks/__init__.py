"""What must be true before an upgrade, and what users should know: a file a topic.

`plan` shows it, `apply` and `node` stop at it.
"""

"""What each command does, callable without a command line: `begin` (options → a run), its tuple of phases, its own phases.

One package a command; they know nothing of each other. `execute.py` is shared: the lock, the journal and every way a run can end.
"""

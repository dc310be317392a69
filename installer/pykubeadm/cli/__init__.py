"""The command line: one file a command, loaded when it is asked for. Parse, call, print; no logic of its own."""

import gc

# Python looks through all modules for garbage again and again while they are loaded: a tenth of a short command's time. This
# package is the command line's, so no other program is changed by it.
gc.set_threshold(50_000)

"""`verify`: shows on a cluster what Kubernetes promises, row by row, in a namespace that is removed again.

`rows/` has the rows, a module for each group. To add one: write a function of a `Trial` that returns what it has shown in a
sentence, and put it as a `Row` into the tuple of its module.
"""

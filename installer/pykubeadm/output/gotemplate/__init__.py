"""Go's text/template, as far as it makes sense of a printed document (https://pkg.go.dev/text/template).

There are fields, variables, pipelines, parentheses, `if`, `with` and `range` with `else`, `break`, `continue`, comments, trim
markers, the functions of `functions.py` and printf's usual verbs. Templates within templates (`define`, `block`, `template`),
character and complex constants, and what needs a running Go (methods, `call`) are refused by name; so is what Go would print as
`%!d(string=x)`.
"""

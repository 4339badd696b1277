"""`--contract.draft DIRECTORY`: views, indexes, configuration and questions for an unknown database.

It looks, and never changes anything: catalogs, sizes, and a bounded sample of rows, each query in a read-only
transaction with a time limit. What it guesses stands beside what it saw, so that somebody who knows the platform can
judge.

The steps, a module each: `catalog` reads what there is, `sample` some rows of it, `matching` finds which table is which
view, `zones`, `translations`, `money` and `accounts` say what values mean, `views` writes each view, `indexes` what it
needs, and `command` the files.
"""

"""From a firing alert to a locked account.

`python -m benchmarks.responder` prints the table and writes it into docs/benchmarks.md.
"""

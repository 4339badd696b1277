"""The exporter beside what a user would pick instead: same data, same machine, same run.

`python -m benchmarks.exporter` prints the tables and writes them into docs/benchmarks.md.
"""

"""Real servers (PostgreSQL, Redis, Prometheus, Alertmanager and others) as children of this process.

The demo, the tests and the benchmarks run against these and never against servers of the machine: each has
its own directory and its own free port on the loopback, and ends with the process that started it.
"""

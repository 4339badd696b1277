"""The numbers in docs/benchmarks.md and docs/scaling.md, each reproducible by one command."""

"""A stand-in ticketing platform for the demo, the tests and the benchmarks."""

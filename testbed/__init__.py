"""The world around the product in demo, tests and benchmarks: local servers, counterparts, an inbox, a viewer."""

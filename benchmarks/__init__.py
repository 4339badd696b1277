"""The numbers in the README, each reproducible by one command."""

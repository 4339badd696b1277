"""Where the stack runs: what differs from one place to another."""

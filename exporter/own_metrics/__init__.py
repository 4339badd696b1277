"""The metrics that an operator configures: of views and Redis keys that the contract does not know."""

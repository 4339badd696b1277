"""The contract with the platform, as data, and the check of a platform against it."""

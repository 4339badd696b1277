"""How long it takes from a condition in the platform to the notification, at the shipped settings."""

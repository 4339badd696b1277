"""How often the alert rules wake somebody for nothing, and what they miss."""

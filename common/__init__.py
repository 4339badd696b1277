"""What exporter and responder both need, once."""

"""What a platform is asked for: read by exporter and responder, and by what stands in for a platform."""

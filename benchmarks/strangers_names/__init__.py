"""What it costs the exporter that anybody can fail a sign-in under any name."""

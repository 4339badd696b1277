"""Prometheus exporter for NFT-ticketing platforms: Redis, PostgreSQL and service probes to metrics."""

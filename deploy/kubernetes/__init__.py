"""Manifests for Kubernetes, some of them written from what Prometheus and Grafana read elsewhere."""

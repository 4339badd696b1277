"""What alerts and playbooks would have done on the history that a Prometheus has."""

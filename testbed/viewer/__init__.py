"""A viewer of the dashboards: their queries as Grafana sends them."""

"""Alert rules for other systems: what a gate declares, as Prometheus, Alertmanager and Grafana read it."""

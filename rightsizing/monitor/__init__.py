"""Watching: indicators, alert rules and their states, receivers, exporter, dashboards, page."""

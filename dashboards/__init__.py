"""Dashboards over the views, for Grafana and Looker Studio, from one definition: panels.json."""

"""What BI tools take: dashboards of the views for Grafana and Looker Studio, and the sources of dbt."""

"""BigQuery on this machine."""

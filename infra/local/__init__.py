"""The product on one machine: emulators of Google Cloud, a local BigQuery, and the commands that start them."""

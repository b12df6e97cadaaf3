"""Serve BigQuery on this machine: `python -m infra.local.bigquery --data-dir DIR --project ID --dataset NAME`."""

from infra.local.bigquery.absent import placeholders

if __name__ == "__main__":
    with placeholders():
        from infra.local.bigquery.server import main

    main()

-- Give a table another name; its rows are not read. https://cloud.google.com/bigquery/docs/managing-tables#renaming-table
ALTER TABLE `{dataset}.{table}`
RENAME TO `{name}`;

-- Fill a table with all rows of another, whose columns it has. Run once: the table is empty.
INSERT INTO `{dataset}.{filled}` ({columns})
SELECT {columns}
FROM `{dataset}.{copied}`;

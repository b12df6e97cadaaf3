-- The disks that a scan found, each with what its kind says of all that are alike. The fingerprint is equal for a disk that
-- is unchanged, its price apart. Grain: one disk of a list, which may name it twice.
SELECT
  kind.project_id,
  kind.region,
  IF(kind.regional, NULL, kind.place) AS zone,
  found.disk_id,
  found.disk_name,
  kind.disk_type,
  kind.size_gib,
  kind.provisioned_iops,
  kind.provisioned_throughput_mibps,
  found.attached_to,
  (
    SELECT AS STRUCT user.instance_id, user.instance_name
    FROM UNNEST(found.attached_to) AS user
    WHERE user.provisioning_model = 'SPOT'
    ORDER BY user.instance_name
    LIMIT 1
  ) AS spot_user,
  found.labels,
  found.created_at,
  found.last_detached_at,
  kind.since,
  kind.seen_at,
  kind.days,
  TO_HEX(MD5(TO_JSON_STRING(STRUCT(
    kind.place, kind.disk_type, kind.size_gib, kind.provisioned_iops, kind.provisioned_throughput_mibps, kind.special,
    found.disk_name, found.attached_to, found.labels
  )))) AS fingerprint
FROM (SELECT disk.* FROM {staging}) AS found
INNER JOIN (SELECT disk_kind.* FROM {staging}) AS kind
  ON kind.kind_id = found.kind_id

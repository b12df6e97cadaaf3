-- Record that instances are not to be stopped for a time. Running it again changes nothing. An empty array parameter may
-- arrive as NULL.
INSERT INTO instance_snoozes (message_id, recorded_at, project_id, zone, instance_id, snoozed_until)
SELECT @message_id, @received_at, instance.project_id, instance.zone, instance.instance_id, @snoozed_until
FROM UNNEST(@instances) AS instance
WHERE NOT EXISTS (
  SELECT 1
  FROM instance_snoozes AS known
  WHERE known.message_id = @message_id
);

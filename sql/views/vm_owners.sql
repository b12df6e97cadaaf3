-- Which scheduler, cluster and job started each Spot VM?
-- Grain: one Spot VM that ran in the last 92 days.
--
-- By the labels, the name and the managed instance group of its last hour, and the first rule that matches; without one
-- the system is (none). A rule matches a VM when all of match_label, match_value, match_name and match_group that are
-- not NULL do. To recognize another system, add a row to the table job_system_rules, whose rules come first, or here.
-- Slurm and Ray run jobs on VMs that keep no label of them: those are in the table work. Reads 92 days, whatever the
-- filter. The keys are those that the systems themselves set:
-- https://cloud.google.com/batch/docs/organize-resources-using-labels,
-- https://cloud.google.com/kubernetes-engine/docs/how-to/creating-managing-labels,
-- https://cloud.google.com/dataproc/docs/guides/creating-managing-labels,
-- https://cromwell.readthedocs.io/en/stable/wf_options/Google/. Nextflow names its Batch jobs nf-HASH-TIME.
WITH built_in AS (
  SELECT
    rule.*
  FROM UNNEST(
    ARRAY<STRUCT<
      rank INT64,
      system STRING,
      match_label STRING,
      match_value STRING,
      match_name STRING,
      match_group STRING,
      cluster_label STRING,
      job_label STRING,
      task_label STRING
    >>[
      -- Workflow engines come before the scheduler they run on, whose labels their VMs have too.
      (10, 'cromwell', 'cromwell-workflow-id', NULL, NULL, NULL, NULL, 'cromwell-workflow-id', 'wdl-task-name'),
      (20, 'nextflow', 'batch-job-id', r'^nf-[0-9a-f]{6,8}-[0-9]+$', NULL, NULL, NULL, 'batch-job-id', NULL),
      (30, 'skypilot', 'skypilot-cluster-name', NULL, NULL, NULL, 'skypilot-cluster-name', NULL, NULL),
      (40, 'ray', 'ray-cluster-name', NULL, NULL, NULL, 'ray-cluster-name', NULL, NULL),
      (50, 'batch', 'batch-job-id', NULL, NULL, NULL, NULL, 'batch-job-id', 'batch-node'),
      (51, 'batch', 'batch-job-uid', NULL, NULL, NULL, NULL, 'batch-job-uid', 'batch-node'),
      (60, 'dataflow', 'dataflow_job_id', NULL, NULL, NULL, 'dataflow_job_name', 'dataflow_job_id', NULL),
      (70, 'dataproc', 'goog-dataproc-cluster-name', NULL, NULL, NULL, 'goog-dataproc-cluster-name', NULL, NULL),
      (80, 'slurm', 'slurm_cluster_name', NULL, NULL, NULL, 'slurm_cluster_name', NULL, NULL),
      (81, 'slurm', 'slurm_instance_role', NULL, NULL, NULL, 'ghpc_deployment', NULL, NULL),
      (90, 'gke', 'goog-k8s-cluster-name', NULL, NULL, NULL, 'goog-k8s-cluster-name', NULL, NULL),
      (91, 'gke', 'goog-gke-node', NULL, NULL, NULL, NULL, NULL, NULL),
      -- Last: most of the systems above create their VMs in groups.
      (1000, 'instance-group', NULL, NULL, NULL, r'.+', NULL, NULL, NULL)
    ]
  ) AS rule
),

rules AS (
  SELECT
    FALSE AS is_built_in,
    own.*
  FROM `${dataset}.job_system_rules` AS own
  UNION ALL
  SELECT
    TRUE AS is_built_in,
    built_in.*
  FROM built_in
),

ranked_rules AS (
  SELECT
    *,
    ROW_NUMBER() OVER (ORDER BY is_built_in, rank, system, match_label, match_value, match_name, match_group) AS place
  FROM rules
),

hours AS (
  SELECT
    costs.project_id,
    costs.zone,
    costs.instance_id,
    costs.instance_name,
    costs.labels,
    REGEXP_EXTRACT(costs.managed_by, r'([^/]+)$') AS created_by_group,
    ROW_NUMBER() OVER (
      PARTITION BY costs.project_id, costs.zone, costs.instance_id ORDER BY costs.usage_start_time DESC
    ) AS age
  FROM `${dataset}.spot_vm_costs` AS costs
  WHERE costs.usage_start_time >= TIMESTAMP_SUB(TIMESTAMP_TRUNC(${now}, DAY), INTERVAL 92 DAY)
),

vms AS (
  SELECT
    * EXCEPT (age)
  FROM hours
  -- Names and labels are those of its last hour.
  WHERE age = 1
),

compared AS (
  SELECT
    vms.project_id,
    vms.zone,
    vms.instance_id,
    vms.instance_name,
    vms.created_by_group,
    rules.place,
    rules.system,
    rules.match_label,
    rules.match_value,
    rules.match_name,
    rules.match_group,
    (SELECT MAX(label.value) FROM UNNEST(vms.labels) AS label WHERE label.key = rules.match_label) AS matched_value,
    (SELECT MAX(NULLIF(label.value, '')) FROM UNNEST(vms.labels) AS label WHERE label.key = rules.cluster_label) AS cluster_value,
    (SELECT MAX(NULLIF(label.value, '')) FROM UNNEST(vms.labels) AS label WHERE label.key = rules.job_label) AS job,
    (SELECT MAX(NULLIF(label.value, '')) FROM UNNEST(vms.labels) AS label WHERE label.key = rules.task_label) AS task
  FROM vms
  CROSS JOIN ranked_rules AS rules
),

matched AS (
  SELECT
    project_id,
    zone,
    instance_id,
    system,
    COALESCE(
      cluster_value,
      REGEXP_EXTRACT(created_by_group, match_group),
      REGEXP_EXTRACT(instance_name, match_name)
    ) AS cluster,
    job,
    task,
    ROW_NUMBER() OVER (PARTITION BY project_id, zone, instance_id ORDER BY place) AS match_rank
  FROM compared
  -- Every condition of the rule holds.
  WHERE (match_label IS NULL OR matched_value IS NOT NULL)
    AND (match_value IS NULL OR REGEXP_CONTAINS(matched_value, match_value))
    AND (match_name IS NULL OR REGEXP_CONTAINS(instance_name, match_name))
    AND (match_group IS NULL OR REGEXP_CONTAINS(created_by_group, match_group))
)

SELECT
  vms.project_id,  -- STRING: The Google Cloud project.
  vms.zone,  -- STRING: The zone.
  vms.instance_id,  -- STRING: The id of the VM, unique in its project and zone.
  vms.instance_name,  -- STRING: The name of the VM.
  COALESCE(matched.system, '(none)') AS system,  -- STRING: The scheduler, workflow engine or CI system that started it; (none) when no rule matches.
  matched.cluster,  -- STRING: Its cluster or managed instance group; NULL when the system does not name one.
  matched.job,  -- STRING: Its job, workflow or pipeline; NULL when the system does not name one on the VM.
  matched.task,  -- STRING: The task within the job; NULL when the system does not name one on the VM.
  vms.created_by_group  -- STRING: The managed instance group that created the VM; NULL for a VM of no group.
FROM vms
LEFT JOIN matched
  ON matched.project_id = vms.project_id
  AND matched.zone = vms.zone
  AND matched.instance_id = vms.instance_id
  AND matched.match_rank = 1

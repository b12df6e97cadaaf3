-- Which labels of a VM are its team, its project label, its experiment and its cost center?
-- Grain: one row, which deployment writes.
--
-- Each column has the keys of the labels whose value is the column of that name in other views and in the rollups, each
-- between commas: of the keys that a VM has with a value, the first one counts. The one place that says so: views, rollups
-- and commands read it. Rollups keep the keys of the day they were written: rebuild-rollups writes them anew, and until
-- then the check rollups_equal_rows lists the days.
SELECT
  ',${team_keys},' AS team,  -- STRING: The keys of the label that names the team, each between commas, the first that a VM has counts.
  ',${project_label_keys},' AS project_label,  -- STRING: The keys of the label that names the project, which is not the Google Cloud project.
  ',${experiment_keys},' AS experiment,  -- STRING: The keys of the label that names the experiment.
  ',${cost_center_keys},' AS cost_center  -- STRING: The keys of the label that names the cost center.

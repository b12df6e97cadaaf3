"""Work: which job, task or build ran on which VM, as schedulers and CI systems record it."""

"""The enforcer: from a budget notification to stopped instances."""

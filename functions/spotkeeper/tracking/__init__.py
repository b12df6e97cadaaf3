"""The tracker: from uptime to cost rows and alerts."""

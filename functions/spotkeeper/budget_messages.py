"""The form of the budget messages that the tracker sends and the enforcer reads."""

SOURCE = "spotkeeper.track_spot_costs"
"""The attribute `source` of our own notifications: Cloud Billing's have none."""

SCHEMA_VERSION = "1.0"

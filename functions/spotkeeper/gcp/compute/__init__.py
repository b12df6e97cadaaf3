"""Compute Engine: instances, groups, operations and machine types."""

"""Costs of the Spot VMs of a real project, read with the operator's own login; nothing is deployed or written."""

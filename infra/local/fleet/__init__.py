"""A fleet of VMs that lives: what ran, when, and as what."""

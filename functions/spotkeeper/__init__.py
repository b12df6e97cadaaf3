"""What every Spot VM costs, hour by hour, and a stop when the budget is exceeded."""

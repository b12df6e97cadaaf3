"""Where and how to run: pure functions on prices and preemptions that are recorded already."""

"""Makes facts: the simulated shop."""

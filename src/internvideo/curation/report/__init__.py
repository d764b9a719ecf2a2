"""The report of a dataset: one HTML page that says what came in, what stayed, and why."""

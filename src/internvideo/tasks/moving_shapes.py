"""Lists of the small world `moving_shapes` for every task, rendered where they are not yet there."""

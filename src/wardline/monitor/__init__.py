"""The monitor: reads records, says what changed, tells its owner, and holds what may not be trusted."""

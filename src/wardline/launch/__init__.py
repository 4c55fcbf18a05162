"""Ready to launch, or not: golden rows, the environment, the checklist, and the way from data to a gate."""

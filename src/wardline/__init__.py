"""wardline: a gate in front of any model, and an answer that says how far it may be trusted."""

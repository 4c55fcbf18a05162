"""The kinds of rung a chain may have."""

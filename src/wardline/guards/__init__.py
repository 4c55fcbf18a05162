"""The built-in guards: one guard, one file."""

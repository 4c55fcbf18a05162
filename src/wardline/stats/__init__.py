"""Pure numpy: measures, no I/O, no state."""

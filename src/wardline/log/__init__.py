"""The log: where records go and how they are read back."""

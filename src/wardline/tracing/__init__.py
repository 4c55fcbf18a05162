"""Traces: why a request was answered as it was, built off its thread and only for the requests kept."""

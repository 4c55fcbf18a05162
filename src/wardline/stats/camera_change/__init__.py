"""When did a camera change, and what was changed? From its frames' statistics, with light taken away.

`series` looks at a whole folder, `online` at a stream as it comes. Both ask matched filters whose templates
were taken from simulated changes over real pictures; thresholds are those of a fleet of clean cameras.
"""

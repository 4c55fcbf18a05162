"""Side-by-side benchmarks: each compares in one run and reports ratios. Never part of the test run."""

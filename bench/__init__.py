"""Benchmarks: ratios of things measured in one run on one machine.  See README.md."""

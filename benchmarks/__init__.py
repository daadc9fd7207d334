"""Measurements of what the project claims: each script prints a table and writes `results/SCRIPT.json`.

Run one from this repository's folder, as `python -m benchmarks.trial_cost`; with `--quick` it only shows that it works.
Ratios are taken between things done by turns in one run, because a machine's speed changes from minute to minute.
"""

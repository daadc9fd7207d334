"""A run: its folder, its journal, and what makes Ray Tune train it."""

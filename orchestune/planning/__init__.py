"""Before a run: what it would do and cost, and how a search would go on recorded curves."""

"""From a run's journal to what people look at. Reads the journal only; imports neither Ray nor torch."""

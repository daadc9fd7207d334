"""From a run's journal to what people look at. Reads only; imports neither Ray nor torch."""

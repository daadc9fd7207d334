"""What is trained: one file per model family."""

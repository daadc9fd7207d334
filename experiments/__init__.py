"""Which question is asked: one file an experiment, joining a trainable, a space, a searcher and a scheduler."""

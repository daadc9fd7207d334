"""What is done with a run's best: its model given away, trained again on all data, and judged against the next best."""

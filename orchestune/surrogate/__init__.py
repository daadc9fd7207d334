"""What is believed of configurations nobody has trained to the end: a model over configuration and epoch."""

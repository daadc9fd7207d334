"""Spaces that are written as a function: `build_model(hp)` asks for its hyperparameters while it builds the model.

hyperparameters.py   hp itself: KerasTuner's calls, answered from a configuration
kinds.py             what hp.Int and its like mean, as typed parameters
discovery.py         the space of such a function, found without training or memory
conditions.py        where each parameter exists, told from the builds
trainable.py         BuildModel: a TorchTrainable of such a function
"""

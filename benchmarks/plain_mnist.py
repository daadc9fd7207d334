"""Ten configurations of `mnist_mlp` in a plain PyTorch loop over tensors, one after another, as one would write it.

Started by `efficiency.py` as a script of its own: python -m benchmarks.plain_mnist [--fused]
"""

import sys

import torch
from torch import nn

from benchmarks.mnist import BATCH, EPOCHS, configurations, tensors


def model(hidden):
    first, second = hidden
    return nn.Sequential(nn.Linear(784, first), nn.ReLU(), nn.Linear(first, second), nn.ReLU(), nn.Linear(second, 10))


def train(config, data, fused=None):
    torch.manual_seed(0)
    (x, y), (x_val, y_val) = data
    net = model(config["hidden"])
    optimizer = torch.optim.Adam(net.parameters(), lr=config["lr"], fused=fused)
    for _epoch in range(EPOCHS):
        net.train()
        for chosen in torch.randperm(len(x)).split(BATCH):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(net(x[chosen]), y[chosen])
            loss.backward()
            optimizer.step()
        net.eval()
        with torch.no_grad():
            output = net(x_val)
            nn.functional.cross_entropy(output, y_val)
            accuracy = (output.argmax(1) == y_val).float().mean().item()
    return accuracy


if __name__ == "__main__":
    torch.set_num_threads(1)  # a second thread only adds CPU-seconds at this size
    loaded = tensors()
    print(max(train(config, loaded, "--fused" in sys.argv or None) for config in configurations()))

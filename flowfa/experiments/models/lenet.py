"""The LeNet of E-2."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from flowfa.errors import InputError
from flowfa.experiments.models.start import xavier_start


def lenet(classes: int, channels: int = 3, padding: int = 0, seed: int = 0) -> nn.Sequential:
    """Return the LeNet of E-2, with Xavier's start.

    conv 3-32 k3, ReLU, max pool 2, conv 32-64 k3, ReLU, max pool 2, conv 64-128 k3, ReLU, global
    average pool, linear 128-256, ReLU, linear 256-N.

    Parameters
    ----------
    classes : int
        N.
    channels : int
        Channels of the images.
    padding : int
        Zeros around the images of each convolution. The paper names none, so none is the default;
        images must have at least 18 pixels a side then, and 4 with padding 1.
    seed : int
        Seed of the start.

    Returns
    -------
    torch.nn.Sequential
        A model in float32, as torch makes it. Images are (sample, channel, height, width).

    Raises
    ------
    InputError
        If a number is not positive.
    """
    if classes < 1 or channels < 1 or padding < 0:
        raise InputError(
            f"classes is {classes}, channels {channels}, padding {padding}: expected at least 1, 1 "
            "and 0"
        )
    model = nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(channels, 32, 3, padding=padding),
            relu1=nn.ReLU(),
            pool1=nn.MaxPool2d(2),
            conv2=nn.Conv2d(32, 64, 3, padding=padding),
            relu2=nn.ReLU(),
            pool2=nn.MaxPool2d(2),
            conv3=nn.Conv2d(64, 128, 3, padding=padding),
            relu3=nn.ReLU(),
            pool3=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            fc1=nn.Linear(128, 256),
            relu4=nn.ReLU(),
            fc2=nn.Linear(256, classes),
        )
    )
    xavier_start(model, seed)
    return model

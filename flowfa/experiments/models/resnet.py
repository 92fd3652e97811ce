"""ResNet-18 (He, Zhang, Ren & Sun 2016), of E-3."""

from __future__ import annotations

from torch import Tensor, nn

from flowfa.errors import InputError
from flowfa.experiments.models.start import xavier_start
from flowfa.registry import unknown_name

STEMS = ("imagenet", "small")


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions with batch norm, around which the input is added.

    Parameters
    ----------
    n_in, n_out : int
        Channels.
    stride : int
        Stride of the first convolution; where it or the channels change the shape, the input
        passes a 1 x 1 convolution with batch norm.
    """

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(n_out)
        self.relu = nn.ReLU()
        self.conv2 = nn.Conv2d(n_out, n_out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(n_out)
        self.downsample = nn.Sequential()
        if stride != 1 or n_in != n_out:
            self.downsample = nn.Sequential(
                nn.Conv2d(n_in, n_out, 1, stride, bias=False), nn.BatchNorm2d(n_out)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Return ReLU(x + F(x)), (sample, n_out, height / stride, width / stride)."""
        inner = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(inner + self.downsample(x))


class ResNet18(nn.Module):
    """ResNet-18; its layers have the names by which pretrained weights are usually stored.

    Parameters
    ----------
    classes : int
    channels : int
        Channels of the images.
    stem : {"imagenet", "small"}
        A 7 x 7 convolution of stride 2 and a max pool of stride 2; or a 3 x 3 convolution that
        keeps the size, for images of some 32 pixels.
    """

    def __init__(self, classes: int, channels: int, stem: str) -> None:
        super().__init__()
        small = stem == "small"
        self.conv1 = (
            nn.Conv2d(channels, 64, 3, padding=1, bias=False)
            if small
            else nn.Conv2d(channels, 64, 7, 2, padding=3, bias=False)
        )
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU()
        self.maxpool = nn.Identity() if small else nn.MaxPool2d(3, 2, padding=1)
        self.layer1 = _stage(64, 64, 1)
        self.layer2 = _stage(64, 128, 2)
        self.layer3 = _stage(128, 256, 2)
        self.layer4 = _stage(256, 512, 2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(512, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores of the classes, (sample, class), of images."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.avgpool(x).flatten(1))


def resnet18(classes: int, channels: int = 3, stem: str = "imagenet", seed: int = 0) -> ResNet18:
    """Return a ResNet-18 with Xavier's start.

    Parameters
    ----------
    classes, channels, stem
        As for `ResNet18`. The paper does not say which stem it has for the 64 x 64 pixels of E-3.
    seed : int
        Seed of the start.

    Raises
    ------
    InputError
        If a number is not positive, or there is no such stem.
    """
    if classes < 1 or channels < 1:
        raise InputError(f"classes is {classes}, channels {channels}: expected at least 1 of each")
    if stem not in STEMS:
        raise unknown_name("stem", stem, STEMS)
    model = ResNet18(classes, channels, stem)
    xavier_start(model, seed)
    return model


def _stage(n_in: int, n_out: int, stride: int) -> nn.Sequential:
    return nn.Sequential(BasicBlock(n_in, n_out, stride), BasicBlock(n_out, n_out, 1))

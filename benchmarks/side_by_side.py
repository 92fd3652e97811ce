"""Milliseconds of one update of LeNet (E-2) a network, by three ways to train several.

Run with ``python benchmarks/side_by_side.py [--networks 6] [--batch 128] [--device cpu]``; prints
lines of docs/laboratory/experiments-networks.md: one network after the other, ``torch.func.vmap``
over stacked parameters, and one network with grouped convolutions. ``channels last`` is the memory
layout of the images. vmap is timed under gd, for the feedback layers' own backward has no rule for
it; the others under fa.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from _script import begin, parser_of
from torch import Tensor
from torch.func import functional_call, grad, stack_module_state, vmap
from torch.nn import functional as F

from flowfa.experiments.models import lenet
from flowfa.torch_layers import convert
from flowfa.torch_layers.signal import ConvolutionSignal, LinearSignal

REPETITIONS = 3


def milliseconds(work: Callable[[], object], networks: int) -> float:
    """Return the time of an update of one network, the least of some repetitions."""
    work()
    times = []
    for _ in range(REPETITIONS):
        begin = time.perf_counter()
        work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        times.append(time.perf_counter() - begin)
    return 1000.0 * min(times) / networks


def measure(networks: int, batch: int, device: str) -> dict[str, float]:
    """Time all ways on the same images."""
    images = torch.randn(networks, batch, 3, 32, 32, device=device)
    labels = torch.randint(0, 10, (networks, batch), device=device)
    plain = [lenet(10, seed=seed).to(device) for seed in range(networks)]
    fed = [convert(model, "fa", seed=seed) for seed, model in enumerate(plain)]

    def loop(layout: torch.memory_format) -> None:
        for model, own_images, truth in zip(fed, images, labels, strict=True):
            model.zero_grad()
            scores = model(own_images.contiguous(memory_format=layout))
            F.cross_entropy(scores, truth).backward()

    parameters, buffers = stack_module_state(plain)

    def loss(p: dict[str, Tensor], b: dict[str, Tensor], inputs: Tensor, truth: Tensor) -> Tensor:
        return F.cross_entropy(functional_call(plain[0], (p, b), (inputs,)), truth)

    update = vmap(grad(loss))
    kernels, biases = (
        [
            torch.cat([getattr(getattr(model, name), kind).detach() for model in plain])
            for name in ("conv1", "conv2", "conv3")
        ]
        for kind in ("weight", "bias")
    )
    feedback = [torch.randn_like(kernel) for kernel in kernels]
    of_linear = [
        [getattr(model, name).weight.detach().requires_grad_() for model in plain]
        for name in ("fc1", "fc2")
    ]
    for parameter in (*kernels, *biases):
        parameter.requires_grad_()

    def grouped(layout: torch.memory_format) -> None:
        h = images.transpose(0, 1).flatten(1, 2).contiguous(memory_format=layout)
        for layer, (kernel, bias, b) in enumerate(zip(kernels, biases, feedback, strict=True)):
            h = ConvolutionSignal.apply(h, kernel, bias, b, (1, 1), (0, 0), (1, 1), networks).relu()
            h = F.max_pool2d(h, 2) if layer < 2 else h.mean((2, 3))
        total = torch.zeros((), device=device)
        for hidden_of, first, second, truth in zip(
            h.unflatten(1, (networks, -1)).unbind(1), *of_linear, labels, strict=True
        ):
            hidden = LinearSignal.apply(hidden_of, first, None, first.detach()).relu()
            scores = LinearSignal.apply(hidden, second, None, second.detach())
            total = total + F.cross_entropy(scores, truth)
        total.backward()

    near, last = torch.contiguous_format, torch.channels_last
    ways = {
        "one after the other": lambda: loop(near),
        "one after the other, channels last": lambda: loop(last),
        "vmap (gd)": lambda: update(parameters, buffers, images, labels),
        "grouped convolutions": lambda: grouped(near),
        "grouped convolutions, channels last": lambda: grouped(last),
    }
    return {name: milliseconds(work, networks) for name, work in ways.items()}


if __name__ == "__main__":
    parser = parser_of(__doc__)
    parser.add_argument("--networks", type=int, default=6)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--device", default="cpu")
    arguments = begin(parser)
    for name, value in measure(arguments.networks, arguments.batch, arguments.device).items():
        print(f"| {name} | {arguments.networks} | {arguments.batch} | {value:.0f} |")

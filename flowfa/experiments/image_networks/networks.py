"""One network in training: its weights, momentum, law and records, and the step that it takes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from flowfa.experiments.image_networks.images import RepeatImages
from flowfa.experiments.image_networks.settings import ImageNetworkSettings
from flowfa.experiments.models import lenet, resnet18
from flowfa.problems.rules import configured_rule
from flowfa.seeds import generator
from flowfa.torch_layers import ChannelLaw, ChannelTerms, convert, layer_alignment

OF_NETWORK = {
    "train_loss": "mean cross-entropy on the training images, without further training",
    "train_accuracy": "share of the training images that are classified right",
    "test_loss": "mean cross-entropy on the test images",
    "test_accuracy": "share of the test images that are classified right",
}
"""Recorded of each network at each tracked epoch; NaN from where it has diverged."""
OF_LAYER = {"cosine": "cos(W_l, B_l^T) over all entries of the layer (A-1)"}
OF_HIDDEN = {
    "half_square": "1/2 sum of ||w_in||^2 over channels, biases included; under gd the whole",
    "conserved": "C of the layer: sum over channels of what C-4 conserves",
    "step_share": "C(t) - C(0) by the steps' share of its exact sum (C-11, with momentum)",
    "decay_share": "the same by weight decay's share",
    "channel_rest": "greatest |C_c(t) - C_c(0) - its predicted sum| / size of C_c's terms",
}
"""Recorded of each hidden layer where C-4 is a law: not with batch norm."""
EVALUATION_BATCH = 256


@dataclass
class Network:
    """A network under one rule. Training changes it in place.

    Attributes
    ----------
    rule : str
    repeat : int
    model : torch.nn.Module
        From `convert`.
    images : RepeatImages
    velocity : list of Tensor
        v of each parameter.
    law : ChannelLaw or None
        None where C-4 is no law.
    start : dict
        The law's terms at the start.
    records : dict
        `OF_NETWORK` (epoch,), `OF_LAYER` (layer, epoch), `OF_HIDDEN` (hidden layer, epoch).
    step : int
        Steps taken.
    diverged : int
        The epoch in which the loss was not finite; -1 if it was always.
    """

    rule: str
    repeat: int
    model: nn.Module
    images: RepeatImages
    velocity: list[Tensor]
    law: ChannelLaw | None
    start: dict[str, ChannelTerms]
    records: dict[str, np.ndarray]
    step: int = 0
    diverged: int = -1

    def state(self) -> dict[str, np.ndarray]:
        """Return all that `restore` needs, as arrays; feedback is drawn anew from the seed."""
        tensors = {f"model {name}": value for name, value in self._model_state().items()}
        tensors |= {f"velocity {index}": value for index, value in enumerate(self.velocity)}
        if self.law is not None:
            tensors |= {f"law {name}": value for name, value in self.law.state().items()}
        arrays = {name: value.detach().cpu().numpy() for name, value in tensors.items()}
        arrays |= {f"record {name}": value for name, value in self.records.items()}
        return {**arrays, "step": np.array(self.step), "diverged": np.array(self.diverged)}

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Go on from what `state` returned."""
        with torch.no_grad():
            for name, value in self._model_state().items():
                value.copy_(torch.as_tensor(arrays[f"model {name}"]))
            for index, value in enumerate(self.velocity):
                value.copy_(torch.as_tensor(arrays[f"velocity {index}"]))
        if self.law is not None:
            names = [name for name in arrays if name.startswith("law ")]
            self.law.restore({n.removeprefix("law "): torch.as_tensor(arrays[n]) for n in names})
        self.records = {name: arrays[f"record {name}"].copy() for name in self.records}
        self.step, self.diverged = int(arrays["step"]), int(arrays["diverged"])

    def _model_state(self) -> dict[str, Tensor]:
        """Return parameters and the statistics of batch norm, not the feedback."""
        return {
            name: value
            for name, value in self.model.state_dict().items()
            if name.rpartition(".")[2] not in ("feedback_weight", "draws")
        }


def make_network(
    settings: ImageNetworkSettings,
    classes: int,
    rule: str,
    repeat: int,
    images: RepeatImages,
    device: torch.device | str = "cpu",
) -> Network:
    """Draw a network; start and feedback depend on the seed, N and the repeat alone."""
    seed = int(generator(settings.seed, "network start", classes, repeat).integers(2**62))
    channels = images.train.shape[1]
    if settings.model == "lenet":
        plain: nn.Module = lenet(classes, channels, settings.padding, seed)
    else:
        plain = resnet18(classes, channels, settings.stem, seed)
    model = convert(
        plain.to(getattr(torch, settings.dtype)), configured_rule(rule, settings), seed=seed
    )
    model = model.to(device)
    law, start = None, {}
    if settings.model == "lenet":
        law = ChannelLaw(model, settings.momentum, settings.weight_decay)
        start = law.terms()
    epochs = len(settings.tracked)
    records = {name: np.full(epochs, np.nan) for name in OF_NETWORK}
    records |= {name: np.full((len(layer_names(model)), epochs), np.nan) for name in OF_LAYER}
    if law is not None:
        records |= {name: np.full((len(start), epochs), np.nan) for name in OF_HIDDEN}
    velocity = [torch.zeros_like(parameter) for parameter in model.parameters()]
    return Network(rule, repeat, model, images, velocity, law, start, records)


def layer_names(model: nn.Module) -> list[str]:
    """Return the names of the layers with feedback; the first one's is never used."""
    return list(layer_alignment(model))


def take_step(
    network: Network, chosen: Tensor, settings: ImageNetworkSettings, rate: float
) -> float:
    """Take one step of SGD with heavy-ball momentum and weight decay, and return the loss before.

    v <- mu v + G + lambda W, W <- W - rate v, as ``torch.optim.SGD``.

    Parameters
    ----------
    network : Network
    chosen : Tensor
        The minibatch: numbers of training images.
    settings : ImageNetworkSettings
    rate : float
        eta of this step.
    """
    model, law = network.model, network.law
    parameters = list(model.parameters())
    model.train()
    inputs, labels = network.images.batch("train", chosen)
    loss = nn.functional.cross_entropy(model(inputs), labels)
    updates = torch.autograd.grad(loss, parameters)
    before = {} if law is None else law.terms()
    with torch.no_grad():
        for parameter, update, v in zip(parameters, updates, network.velocity, strict=True):
            v.mul_(settings.momentum).add_(update.add(parameter, alpha=settings.weight_decay))
            parameter.add_(v, alpha=-rate)
    if law is not None:
        velocity_of = {id(p): v for p, v in zip(parameters, network.velocity, strict=True)}
        law.add(before, law.terms(), lambda parameter: velocity_of[id(parameter)], rate)
    network.step += 1
    return float(loss.detach())


def record(network: Network, column: int) -> bool:
    """Measure a network and note it in a column of its records; False, unnoted, if it diverged."""
    records = network.records
    results = {split: evaluate(network, split) for split in ("train", "test")}
    if not all(math.isfinite(loss) for loss, _ in results.values()):
        return False
    for split, (loss, accuracy) in results.items():
        records[f"{split}_loss"][column] = loss
        records[f"{split}_accuracy"][column] = accuracy
    records["cosine"][:, column] = list(layer_alignment(network.model).values())
    if network.law is None:
        return True
    for row, (name, terms) in enumerate(network.law.terms().items()):
        at_start = network.start[name]
        steps, decay = network.law.steps[name], network.law.decay[name]
        rest = terms.conserved - at_start.conserved - steps - decay
        size = torch.maximum(
            terms.half_square + terms.outgoing.abs(), at_start.half_square + at_start.outgoing.abs()
        )
        for key, value in (
            ("half_square", terms.half_square.sum()),
            ("conserved", terms.conserved.sum()),
            ("step_share", steps.sum()),
            ("decay_share", decay.sum()),
            ("channel_rest", (rest.abs() / size).max()),
        ):
            records[key][row, column] = float(value)
    return True


def evaluate(network: Network, split: str) -> tuple[float, float]:
    """Return mean loss and accuracy on a split; batch norm takes its running statistics."""
    network.model.eval()
    count = len(network.images.train if split == "train" else network.images.test)
    loss, right = 0.0, 0
    with torch.no_grad():
        for begin in range(0, count, EVALUATION_BATCH):
            chosen = slice(begin, min(begin + EVALUATION_BATCH, count))
            inputs, labels = network.images.batch(split, chosen)
            scores = network.model(inputs)
            loss += float(nn.functional.cross_entropy(scores, labels, reduction="sum"))
            right += int((scores.argmax(1) == labels).sum())
    return loss / count, right / count

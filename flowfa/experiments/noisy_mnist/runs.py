"""All runs and rules of one width as one batch of full-batch steps, which may stop and go on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from flowfa.experiments.noisy_mnist.images import RunImages, indicators
from flowfa.experiments.noisy_mnist.measures import RECORDED, record
from flowfa.experiments.noisy_mnist.settings import CLASSES, NoisyMnistSettings
from flowfa.flow.field import NetworkField, RuleGroup
from flowfa.flow.layout import ParameterLayout
from flowfa.problems.activations import LeakyReLU
from flowfa.problems.losses import LOSSES
from flowfa.problems.rules import configured_rule
from flowfa.problems.starts import NormalStart
from flowfa.seeds import generator
from flowfa.training import StepRule
from flowfa.training import law as step_law


@dataclass(frozen=True)
class WidthJob:
    """The networks and data of one width; row r * runs + i is run i under rule r.

    Attributes
    ----------
    settings : NoisyMnistSettings
    width : int
    field : NetworkField
        On the training images of each row.
    test : NetworkField
        On the shared test images.
    steps : StepRule
    initial : Tensor
        W(0), (row, parameter).
    replaced : Tensor
        True for images whose label was replaced, (row, image).
    """

    settings: NoisyMnistSettings
    width: int
    field: NetworkField
    test: NetworkField
    steps: StepRule
    initial: Tensor
    replaced: Tensor


@dataclass(frozen=True)
class Standing:
    """The progress of a job: everything that it needs to go on.

    Attributes
    ----------
    epoch : int
        Steps taken.
    state : Tensor
        W(epoch), (row, parameter).
    velocity : Tensor or None
        The velocity of heavy-ball momentum.
    carried : Carried or None
        The terms that C-11 carries from one step to the next.
    predicted : Tensor
        The sum of C-11's changes, float64, (row, neuron).
    records : dict
        `RECORDED`, each (row, tracked epoch), NaN where not reached.
    """

    epoch: int
    state: Tensor
    velocity: Tensor | None
    carried: step_law.Carried | None
    predicted: Tensor
    records: dict[str, np.ndarray]

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return everything as arrays, for a checkpoint."""
        arrays = {"epoch": np.array(self.epoch), "state": self.state, "predicted": self.predicted}
        if self.velocity is not None:
            arrays["velocity"] = self.velocity
        if self.carried is not None:
            arrays["pull"] = self.carried.pull
            arrays["feedback"] = self.carried.feedback[0]
            arrays["outgoing"] = self.carried.outgoing[0]
        on_cpu = {
            name: value.cpu().numpy() if isinstance(value, Tensor) else value
            for name, value in arrays.items()
        }
        return {**on_cpu, **{f"record {name}": value for name, value in self.records.items()}}


def width_job(
    settings: NoisyMnistSettings,
    width: int,
    images: RunImages,
    device: torch.device | str = "cpu",
    computed: torch.dtype | None = None,
) -> WidthJob:
    """Draw the starts of a width and put everything on the device.

    The start and the feedback of run i depend on the seed, the width and i alone. They are
    numbers of the protocol's dtype also where something is `computed` in another.
    """
    dtype = getattr(torch, settings.dtype)
    runs, rules = settings.runs, [configured_rule(name, settings) for name in settings.rules]

    def put(array: np.ndarray) -> Tensor:
        return torch.as_tensor(array).to(device, dtype).to(computed or dtype)

    sizes = (images.inputs.shape[-1], width, CLASSES)
    start = NormalStart(settings.init_scale / np.sqrt(width))
    drawn = [
        start.draw_weights(sizes, generator(settings.seed, "noisy-mnist weights", width, run))
        for run in range(runs)
    ]
    weights = [
        put(np.stack(matrices)).repeat(len(rules), 1, 1) for matrices in zip(*drawn, strict=True)
    ]
    layout = ParameterLayout(sizes, (False, False))
    groups = []
    for index, rule in enumerate(rules):
        kept = []
        for run in range(runs):
            stream = generator(settings.seed, "noisy-mnist feedback", width, run)

            def draw(
                kind: str,
                layer: int,
                shape: tuple[int, int],
                run: int = run,
                stream: np.random.Generator = stream,
            ) -> np.ndarray:
                return start.draw_feedback(kind, layer, shape, drawn[run], stream)

            kept.append(rule.draw_feedback(drawn[run], draw))
        matrices = {
            name: put(np.stack([matrices_of_run[name] for matrices_of_run in kept]))
            for name in kept[0]
        }
        groups.append(RuleGroup(rule, index * runs, (index + 1) * runs, matrices))
    rows = runs * len(rules)
    loss = LOSSES.get("cross-entropy")()

    def field(inputs: Tensor, targets: Tensor) -> NetworkField:
        return NetworkField(layout, inputs, targets, loss, LeakyReLU(settings.leak), tuple(groups))

    of_rows = (len(rules), 1, 1)
    return WidthJob(
        settings,
        width,
        field(put(images.inputs).repeat(of_rows), put(indicators(images.labels)).repeat(of_rows)),
        field(put(images.test_inputs), put(indicators(images.test_labels))),
        StepRule(
            put(np.full(rows, settings.rate)),
            put(np.full(rows, settings.momentum)),
            torch.arange(rows) % runs,
            settings.schedule,
        ),
        layout.pack({f"W{layer}": weight for layer, weight in enumerate(weights, start=1)}),
        torch.as_tensor(images.replaced, device=device).repeat(len(rules), 1),
    )


def first(job: WidthJob) -> Standing:
    """Return how a job stands before its first step."""
    rows, tracked = len(job.initial), len(job.settings.tracked)
    records = {name: np.full((rows, tracked), np.nan) for name in RECORDED}
    predicted = torch.zeros(rows, job.width, dtype=torch.float64, device=job.initial.device)
    return Standing(0, job.initial, None, None, predicted, records)


def restored(job: WidthJob, arrays: Mapping[str, np.ndarray]) -> Standing:
    """Return what `Standing.to_arrays` kept, on the job's device."""
    tensors = {
        name: torch.as_tensor(array).to(job.initial.device)
        for name, array in arrays.items()
        if not name.startswith("record ")
    }
    carried = None
    if "pull" in tensors:
        carried = step_law.Carried(tensors["pull"], (tensors["feedback"],), (tensors["outgoing"],))
    return Standing(
        int(tensors["epoch"]),
        tensors["state"],
        tensors.get("velocity"),
        carried,
        tensors["predicted"],
        {name: arrays[f"record {name}"].copy() for name in RECORDED},
    )


def train(job: WidthJob, standing: Standing, pause: Callable[[Standing], bool]) -> Standing:
    """Take steps until the last epoch, or until `pause` says so before a step.

    Parameters
    ----------
    job : WidthJob
    standing : Standing
        Where to go on; its records are filled in place.
    pause : callable
        Called with the standing before each step; it shows progress and writes checkpoints.
    """
    settings, field, steps = job.settings, job.field, job.steps
    column = {epoch: i for i, epoch in enumerate(settings.tracked)}
    with torch.no_grad():
        start = step_law.terms(field, job.initial)
        terms = step_law.terms(field, standing.state)
        while True:
            epoch, state, predicted = standing.epoch, standing.state, standing.predicted
            if epoch in column:
                measured = record(field, job.test, job.replaced, state, terms, start, predicted)
                for name, values in measured.items():
                    standing.records[name][:, column[epoch]] = values
            if epoch == settings.epochs or pause(standing):
                return standing
            stride = steps.stride(field, epoch, state, standing.velocity)
            after = step_law.terms(field, stride.after)
            change, carried = step_law.change(
                field, steps, epoch, terms, after, stride.increment, standing.carried
            )
            standing = Standing(
                epoch + 1,
                stride.after,
                stride.velocity,
                carried,
                predicted + change,
                standing.records,
            )
            terms = after

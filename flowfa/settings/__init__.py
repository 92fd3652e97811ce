"""The settings of one simulation: their names, defaults, files and limits."""

from flowfa.settings.deviation import DeviationConfiguration
from flowfa.settings.experiment import ExperimentConfiguration, validate_experiment
from flowfa.settings.simulation import (
    DATA_OPTIONS,
    PRESENTATION_KEYS,
    RESULT_KEYS,
    ProblemFlags,
    SimulateConfiguration,
    flag_of,
    key_of,
)
from flowfa.settings.toml import from_toml
from flowfa.settings.training import TrainConfiguration
from flowfa.settings.validation import validate, validate_deviation, validate_training

__all__ = [
    "DATA_OPTIONS",
    "PRESENTATION_KEYS",
    "RESULT_KEYS",
    "DeviationConfiguration",
    "ExperimentConfiguration",
    "ProblemFlags",
    "SimulateConfiguration",
    "TrainConfiguration",
    "flag_of",
    "from_toml",
    "key_of",
    "validate",
    "validate_deviation",
    "validate_experiment",
    "validate_training",
]

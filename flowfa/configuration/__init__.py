"""The settings of one simulation: their names, defaults, files and limits."""

from flowfa.configuration.deviation import DeviationConfiguration
from flowfa.configuration.experiment import ExperimentConfiguration, validate_experiment
from flowfa.configuration.settings import (
    DATA_OPTIONS,
    PRESENTATION_KEYS,
    RESULT_KEYS,
    ProblemFlags,
    SimulateConfiguration,
    flag_of,
    key_of,
)
from flowfa.configuration.toml import from_toml
from flowfa.configuration.training import TrainConfiguration
from flowfa.configuration.validation import validate, validate_deviation, validate_training

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

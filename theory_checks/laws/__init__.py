"""Conservation laws of training flows: counted with proof, found, and followed along runs."""

from theory_checks.laws.formulas.law import Law
from theory_checks.laws.motion.dynamics import Dynamics
from theory_checks.laws.result import Laws, laws

__all__ = ["Dynamics", "Law", "Laws", "laws"]

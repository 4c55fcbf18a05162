# ruff: noqa: TC004 - names are given at run time by `_Package`, from where they are imported for checkers
"""wardline: a gate in front of any model, and an answer that says how far it may be trusted."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import Field

    from wardline.chain import Chain
    from wardline.contract import Tabular
    from wardline.features import Category, Features, features
    from wardline.fields import Pii, Row, Timestamp, Unit, rule
    from wardline.gate import Gate
    from wardline.guard import Guard, judge
    from wardline.inference import Batch, Inference, Screened
    from wardline.monitoring import AlertRule, Monitoring
    from wardline.owner import Business, Launch, Owner, Retrain, Upstream
    from wardline.predictors import Batched, Onnx, Python, Remote, Rule
    from wardline.record import Verdicts
    from wardline.reference import Reference
    from wardline.settings import LogSettings, ServingSettings, Settings
    from wardline.verdict import (
        Action,
        Coverage,
        Finding,
        Measured,
        Risk,
        Severity,
        Stage,
        Uncertainty,
        Verdict,
    )

__all__ = [
    "Action",
    "AlertRule",
    "Batch",
    "Batched",
    "Business",
    "Category",
    "Chain",
    "Coverage",
    "Features",
    "Field",
    "Finding",
    "Gate",
    "Guard",
    "Inference",
    "Launch",
    "LogSettings",
    "Measured",
    "Monitoring",
    "Onnx",
    "Owner",
    "Pii",
    "Python",
    "Reference",
    "Remote",
    "Retrain",
    "Risk",
    "Row",
    "Rule",
    "Screened",
    "ServingSettings",
    "Settings",
    "Severity",
    "Stage",
    "Tabular",
    "Timestamp",
    "Uncertainty",
    "Unit",
    "Upstream",
    "Verdict",
    "Verdicts",
    "features",
    "judge",
    "rule",
]

_HOMES = {
    "pydantic": "Field",
    "wardline.chain": "Chain",
    "wardline.contract": "Tabular",
    "wardline.features": "Category Features features",
    "wardline.fields": "Pii Row Timestamp Unit rule",
    "wardline.gate": "Gate",
    "wardline.guard": "Guard judge",
    "wardline.inference": "Batch Inference Screened",
    "wardline.monitoring": "AlertRule Monitoring",
    "wardline.owner": "Business Launch Owner Retrain Upstream",
    "wardline.predictors": "Batched Onnx Python Remote Rule",
    "wardline.record": "Verdicts",
    "wardline.reference": "Reference",
    "wardline.settings": "LogSettings ServingSettings Settings",
    "wardline.verdict": "Action Coverage Finding Measured Risk Severity Stage Uncertainty Verdict",
}
_HOME = {name: module for module, names in _HOMES.items() for name in names.split()}


class _Package(ModuleType):
    """Names are loaded when they are asked for: a command that compares two files needs no model runtime."""

    def __getattr__(self, name: str) -> Any:
        if name not in _HOME:
            raise AttributeError(f"module 'wardline' has no attribute {name!r}")
        value = getattr(importlib.import_module(_HOME[name]), name)
        self.__dict__[name] = value
        return value

    def __dir__(self) -> list[str]:
        return sorted({*self.__dict__, *__all__})

    @property
    def features(self) -> Any:
        """The decorator. The module of this name lies beside it, and is not what `wardline.features` says."""
        return importlib.import_module("wardline.features").features

    @features.setter
    def features(self, module: ModuleType) -> None:
        """Importing the module would put it here."""


sys.modules[__name__].__class__ = _Package

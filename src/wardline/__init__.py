"""wardline: a gate in front of any model, and an answer that says how far it may be trusted."""

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
from wardline.verdict import Action, Coverage, Finding, Measured, Risk, Severity, Stage, Uncertainty, Verdict

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

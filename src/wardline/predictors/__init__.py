"""The kinds of rung a chain may have."""

from wardline.predictors.batched import Batched
from wardline.predictors.onnx import Onnx
from wardline.predictors.python import Python
from wardline.predictors.remote import Remote
from wardline.predictors.rule import Rule

__all__ = ["Batched", "Onnx", "Python", "Remote", "Rule"]

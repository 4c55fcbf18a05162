"""Which disease is on this coffee leaf? Answered from a close-up that a field camera took.

What the model was trained on came from a few phones through one encoder. A camera whose firmware begins to
develop or compress its pictures in another way shows the model leaves it has never seen: the guards over
frames say so, name what changed, and keep the primary from answering.
"""

from __future__ import annotations

from typing import Annotated

from wardline import (
    Business,
    Chain,
    Field,
    Gate,
    Launch,
    Onnx,
    Owner,
    Retrain,
    Risk,
    Upstream,
)
from wardline.camera import Frame, Frames, Limits, frame_features
from wardline.guards import (
    Confidence,
    ConformalSet,
    DecodeHealth,
    Exposure,
    Fingerprint,
    Focus,
    Hold,
    NightMode,
    Occlusion,
    Processing,
    Unfamiliar,
)

CLASSES = ("health", "miner", "rust", "phoma", "cercospora")


class Leaf(Frame):
    """One close-up of a leaf, and what the caller knows of the leaf: `x-leaf`, `x-severity`."""

    leaf: Annotated[str, Field(max_length=32)] = "unknown"
    severity: Annotated[str, Field(max_length=8)] = "unknown"  # 0 healthy to 4, over 15 % of the leaf


gate = Gate(
    "leaf",
    contract=Frames(
        Leaf,
        examples=[{"camera": "field-1", "firmware": "1.0", "leaf": "1037", "severity": "2"}],
        limits=Limits(most_bytes=8 * 1024 * 1024),
        thumbnails=True,  # leaves: no picture shows a person
        upstream=Upstream(
            Owner("field-devices", page="field-desk", escalate="crop-ml", runbook="docs/runbooks/leaf.md"),
            complete=0.98,
        ),
    ),
    features=frame_features(Leaf),
    chain=Chain(
        Onnx("models/leaf/1", deadline_ms=400),  # eleven blocks of a small network, 160 x 160
        Onnx("models/leaf-small/1", deadline_ms=100),  # five blocks, 96 x 96
    ),
    guards=[
        DecodeHealth(),
        Hold(),
        Fingerprint(),
        Exposure(warn=1.0),
        Focus(warn=1.0),
        Occlusion(warn=1.0),
        NightMode(),
        Processing(warn=1.0),
        Unfamiliar(warn=0.005),
        Confidence(warn=None, block=0.4),
        ConformalSet(level=0.9),
    ],
    classes=CLASSES,
    reference="models/leaf/1",
    owner=Owner(
        team="crop-ml", page="crop-ml-oncall", escalate="ml-platform", runbook="docs/runbooks/leaf.md"
    ),
    launch=Launch(
        training="crop-ml",
        serving="ml-platform",
        upstream="field-devices",
        performance="crop-ml",
        latency="ml-platform",
        business=Business("share of leaves named wrongly", baseline=0.09, degradation=0.05),
        retrain=Retrain("drift of the frames' statistics that labels confirm, or a new camera model"),
        fallback_rate=0.02,
        abstain_rate=0.15,  # photographs come in bursts from one leaf: doubt does too
        rows_per_day=5_000,
        keep_days=90,
    ),
    slices=["leaf", "severity"],  # one leaf has a handful of pictures: no baseline, but found by it
    risk=Risk.CLOSED,
)

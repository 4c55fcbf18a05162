"""The declaration of a new gate over pictures, as text."""

from __future__ import annotations

from wardline.launch.inferring import literal
from wardline.launch.scaffold import Plan, blanks, chain


def declaration(plan: Plan) -> str:
    """Return guards/NAME.py of a gate over pictures."""
    title, name = plan.title, plan.name
    notes = "".join(f"\n# review: {note}" for note in plan.reviews)
    example = ", ".join(f"{literal(key)}: {literal(value)}" for key, value in plan.example.items())
    return f'''"""{title}: what is on this picture? Inferred: confirm what is marked."""

from __future__ import annotations

from wardline import Chain, Gate, Launch, Onnx, Owner, Risk, Rule
from wardline.camera import Frame, Frames, Limits, frame_features
from wardline.guards import ConformalSet, DecodeHealth, Exposure, Fingerprint, Focus
from wardline.guards import Margin, Occlusion, Processing
{notes}

class {title}(Frame):
    """One picture, and the camera and firmware that made it: headers `x-camera-id`, `x-camera-firmware`."""


def usual(row: {title}) -> str:
    """Answer without a model: the class with most training pictures."""
    return {literal(plan.usual)}


gate = Gate(
    "{name}",
    contract=Frames(
        {title},
        examples=[{{{example}}}],
        limits=Limits(most_bytes=16 * 1024 * 1024),  # review: how large are your cameras' files?
    ),
    features=frame_features({title}),
{chain(plan, 500)}
    guards=[
        DecodeHealth(), Fingerprint(), Exposure(), Focus(), Occlusion(), Processing(),  # the camera
        Margin(), ConformalSet(level=0.9),  # the answer
    ],  # fmt: skip
    reference="models/{name}/1",
{blanks(plan)}'''


def test(plan: Plan) -> str:
    """Return tests/test_NAME.py of a gate over pictures."""
    return f'''"""The gate opens (so golden pictures reproduce), takes a picture, and refuses what is none."""

import pytest

from guards.{plan.name} import gate
from wardline import Action
from wardline.testing import MemorySink


@pytest.fixture(scope="module")
def opened():
    gate.open(sink=MemorySink())
    yield gate
    gate.close()


def test_a_picture_is_taken(opened):
    assert opened(gate.contract.examples[0]).action is not Action.REJECT


def test_what_is_no_picture_is_rejected(opened):
    assert opened({{**gate.contract.examples[0], "picture": b"no picture"}}).action is Action.REJECT
'''

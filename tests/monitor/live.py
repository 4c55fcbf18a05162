"""The taxi gate with a smaller window, so that a test need not send thousands of rows."""

from __future__ import annotations

import dataclasses

from guards.taxi import gate as taxi
from wardline import Gate

gate = Gate(
    "taxi",
    contract=taxi.contract,
    features=taxi.features,
    chain=taxi.chain,
    guards=taxi.guards,
    reference="models/taxi/1",
    owner=taxi.owner,
    launch=taxi.launch,
    monitoring=dataclasses.replace(taxi.monitoring, rows=400),
    slices=taxi.slices,
    unit="minutes",
    root=taxi.root,
)

"""The taxi gate as a BentoML service: `wardline serve guards.taxi` serves the same."""

from guards.taxi import gate
from wardline.serving import service

TaxiService = service(gate)

"""The leaf gate as a BentoML service: `wardline serve guards.leaf` serves the same."""

from guards.leaf import gate
from wardline.serving import service

LeafService = service(gate)

"""A gate that works and that nobody has settled anything for: `check` refuses it."""

from guards import taxi
from tests.launch.variants import variant
from wardline import Launch

gate = variant(taxi.gate, owner=None, launch=Launch())

"""The employment gate as a BentoML service: `wardline serve guards.employment` serves the same."""

from guards.employment import gate
from wardline.serving import service

EmploymentService = service(gate)

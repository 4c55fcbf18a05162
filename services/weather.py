"""The weather gate as a BentoML service: `wardline serve guards.weather` serves the same."""

from guards.weather import gate
from wardline.serving import service

WeatherService = service(gate)

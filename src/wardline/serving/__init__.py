"""The only door to BentoML and Starlette."""

from wardline.serving.app import app
from wardline.serving.bento import service

__all__ = ["app", "service"]

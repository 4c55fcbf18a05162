"""The only door to BentoML and Starlette."""

from wardline.serving.app import app
from wardline.serving.bento import service
from wardline.serving.several import several

__all__ = ["app", "service", "several"]

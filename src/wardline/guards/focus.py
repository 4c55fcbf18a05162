"""Focus: edges softer than this camera draws them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from wardline.guards._camera import DOWN, UP, AgainstCamera, Table

_TABLE = {
    "edge_width": (UP, "optics.focus"),
    "detail_fine": (DOWN, "optics.focus"),
}


@dataclass(frozen=True, slots=True)
class Focus(AgainstCamera):
    """Edges are wider, or the finest detail is weaker, than this camera's reference has them.

    Choose it where a lens may be knocked, fogged or refocused. The score is how far outside the
    reference's range the worse of edge width and fine detail lies, in widths of that range.

    >>> from wardline.testing import example_batch
    >>> Focus().check(example_batch({"x": [1.0]}).inference(0)).severity.value  # no frame, nothing said
    'ok'
    """

    name: str = "focus"
    table: ClassVar[Table] = _TABLE
    usual: ClassVar[str] = "optics.focus"

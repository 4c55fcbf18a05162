"""The servers that the guarded one is compared with: the same model, features and fields, no guards."""

from __future__ import annotations

from typing import Any

import bentoml
import numpy as np
import onnxruntime as ort
from pydantic import BaseModel, create_model
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from guards.employment import gate

LEAN: dict[str, Any] = {
    "metrics": {"enabled": False},
    "logging": {"access": {"enabled": False}},
    "tracing": {"excluded_urls": ".*"},
}
Plain: type[BaseModel] = create_model("Plain", **dict.fromkeys(gate.contract.fields, (int, ...)))
_session: list[Any] = []


def session() -> Any:
    if not _session:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        file = gate.root / "models/employment/1/model.onnx"
        _session.append(ort.InferenceSession(str(file), options, providers=["CPUExecutionProvider"]))
    return _session[0]


def answer(row: Any) -> dict[str, Any]:
    matrix = np.array([gate.features(row)], dtype=np.float32)
    model = session()
    outputs = model.run(None, {model.get_inputs()[0].name: matrix})
    return {"label": int(outputs[0][0]), "probabilities": outputs[1][0].tolist()}


async def predict(request: Request) -> JSONResponse:
    return JSONResponse(answer(Plain.model_validate_json(await request.body())))


@bentoml.service(name="bare_mounted", workers=1, **LEAN)
class Mounted:
    """A bare route, mounted in a lean service: the cheapest way to serve through BentoML."""


Mounted.mount_asgi_app(Starlette(routes=[Route("/predict", predict, methods=["POST"])]), path="/")


@bentoml.service(name="bare_default", workers=1)
class Default:
    """What the tutorial shows: a typed endpoint and every default."""

    @bentoml.api
    def predict(self, row: Plain) -> dict[str, Any]:  # type: ignore[valid-type]
        return answer(row)

"""FastAPI and LitServe endpoints with the same model, features and fields, and no guards."""

import sys
from typing import Any

import litserve
import litserve.server
from fastapi import FastAPI

from bench.peers import Plain, answer

app = FastAPI()


@app.post("/predict")
def predict(row: Plain) -> dict[str, Any]:  # type: ignore[valid-type]
    return answer(row)


@app.post("/predict-async")
async def predict_async(row: Plain) -> dict[str, Any]:  # type: ignore[valid-type]
    """Without FastAPI's thread: the quickest way to write it."""
    return answer(row)


class Lit(litserve.LitAPI):
    def setup(self, device: str) -> None:
        answer(Plain.model_construct(**dict.fromkeys(Plain.model_fields, 1)))

    def decode_request(self, request: Plain) -> Any:  # type: ignore[valid-type]
        return request

    def predict(self, row: Any) -> dict[str, Any]:
        return answer(row)

    def encode_response(self, output: dict[str, Any]) -> dict[str, Any]:
        return output


if __name__ == "__main__":
    port = int(sys.argv[sys.argv.index("--port") + 1])
    # LitServe 0.2 wants the tool protocol's package below 2 and fails where a newer one is installed.
    litserve.server._MCP_AVAILABLE = False  # noqa: SLF001 - there is no setting for it
    server = litserve.LitServer(Lit(), accelerator="cpu", workers_per_device=1)
    server.run(
        host="127.0.0.1", port=port, num_api_servers=1, generate_client_file=False, log_level="warning"
    )

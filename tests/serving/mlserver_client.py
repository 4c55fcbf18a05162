"""Run in `.venv-peers`: asks a V2 server with MLServer's own types and codecs, and prints what they read."""

import json
import sys


def main(base: str) -> None:
    import httpx
    import pandas as pd
    from mlserver import types
    from mlserver.codecs import NumpyCodec, PandasCodec, StringCodec

    with httpx.Client(base_url=base, timeout=120) as client:
        server = types.MetadataServerResponse.model_validate(client.get("/v2").json())
        model = types.MetadataModelResponse.model_validate(client.get("/v2/models/pair").json())
        frame = pd.DataFrame({"a": [1.0, 45.0, 1000.0], "b": [2.0, 1.0, 0.0]})
        request = PandasCodec.encode_request(frame)
        request.id = "order-7"
        answer = client.post(f"/v2/models/{model.name}/infer", content=request.model_dump_json())
        response = types.InferenceResponse.model_validate_json(answer.content)
        outputs = {each.name: each for each in response.outputs}
        broken = client.post(
            "/v2/models/pair/infer", content=types.InferenceRequest(inputs=[]).model_dump_json()
        )
        error = types.InferenceErrorResponse.model_validate_json(broken.content)
        sys.stdout.write(
            json.dumps(
                {
                    "server": server.name,
                    "inputs": [each.name for each in model.inputs],
                    "id": response.id,
                    "prediction": [
                        repr(each)
                        for each in NumpyCodec.decode_output(outputs["prediction"]).ravel().tolist()
                    ],
                    "action": StringCodec.decode_output(outputs["action"]),
                    "verdict": response.parameters.action,
                    "error": error.error,
                }
            )
        )


if __name__ == "__main__":
    main(sys.argv[1])

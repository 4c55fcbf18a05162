"""A gate over persons as its operator runs it, with TLS: what leaves the server, and who may speak to it."""

from __future__ import annotations

import contextlib
import json
import re
import ssl
from collections.abc import Iterator

import httpx
import pytest

from tests.persons import ADA, BROKEN, SECRETS
from tests.serving.certificates import Authority
from tests.serving.processes import Running, started
from tests.waiting import until
from wardline.log import read
from wardline.tracing.read import traces
from wardline.tracing.trace import line

PAGES = re.compile(r'href="(/ui/[^"]*)"')


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Running]:
    certificate, key = authority.sign("server")
    caller = ssl.create_default_context(cafile=str(authority.path))
    caller.load_cert_chain(*authority.sign("caller"))
    options = ("--ssl-certfile", certificate, "--ssl-keyfile", key, "--ssl-ca-certs", authority.path)
    settings = {
        "WARDLINE_PII_KEY": "an-operators-own-key", "WARDLINE_TRACES_SAMPLE": "1",
        "WARDLINE_UNCHECKED": "it has no reference",
    }  # fmt: skip
    home = tmp_path_factory.mktemp("persons")
    with started(home, *map(str, options), target="tests.persons", tls=caller, **settings) as running:
        yield running


def test_who_shows_a_certificate_of_the_authority_is_answered(running: Running) -> None:
    with httpx.Client(base_url=running.url, verify=running.tls) as client:
        assert client.post("/predict", json=ADA).json()["action"] == "serve"


def test_who_shows_none_or_speaks_in_the_clear_is_not(running: Running, authority: Authority) -> None:
    nobody = ssl.create_default_context(cafile=str(authority.path))
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{running.url}/livez", verify=nobody)
    with pytest.raises(httpx.TransportError):
        httpx.get(running.url.replace("https", "http") + "/livez")


def test_a_server_that_the_authority_does_not_know_is_not_believed(running: Running) -> None:
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(f"{running.url}/livez", verify=ssl.create_default_context())


def clean(text: str) -> bool:
    return not [secret for secret in SECRETS if secret in text]


def test_nothing_of_a_person_is_in_answers_records_traces_pages_metrics_or_what_is_logged(
    running: Running,
) -> None:
    with httpx.Client(base_url=running.url, verify=running.tls, timeout=60) as client:
        asked = [client.post("/predict", json=row) for row in (ADA, *BROKEN)]
        asked.append(client.post("/predict", json={"rows": [ADA, *BROKEN]}))
        asked.append(
            client.post("/predict", content=b'{"name": "Ada Lovelace", "born": -1815181518', timeout=60)
        )
        values = [{"name": n, "shape": [1], "datatype": "BYTES", "data": [ADA[n]]} for n in ("email", "name")]
        asked.append(client.post("/v2/models/person/infer", json={"inputs": values}))
        assert {answer.status_code for answer in asked} <= {200, 400, 422}
        folder = running.home / "person"
        kept = until(lambda: (found := list(traces(folder / "traces"))) and len(found) >= 9 and found)
        until(lambda: read(folder / "records").num_rows >= 2 * (1 + len(BROKEN)))
        seen = {"/ui/", "/ui/traces", "/metrics", "/schema.json", "/openapi.json"}
        waiting, pages = sorted(seen), {}
        while waiting:
            path = waiting.pop()
            pages[path] = client.get(path).text
            fresh = set(PAGES.findall(pages[path].replace("&amp;", "&"))) - seen
            seen |= fresh
            waiting += sorted(fresh)
    assert sum(path.startswith("/ui/traces/") for path in pages) >= 9
    assert all(clean(answer.text) and clean(str(answer.headers)) for answer in asked)
    assert all(clean(text) for text in pages.values())
    assert clean(json.dumps(read(folder / "records").to_pylist(), default=str))
    assert all(clean(line(trace).decode()) for trace in kept)
    assert clean("".join(running.screen))
    for file in running.home.rglob("*"):
        with contextlib.suppress(FileNotFoundError, IsADirectoryError):  # the server renames its files
            assert clean(file.read_bytes().decode("latin-1")), file

"""Secrets in a project's configuration: what is one, and what only sounds like one."""

from __future__ import annotations

import pytest

from models.building import ROOT
from wardline.launch.secrets import configuration, held

SECRETS = {
    "guards/taxi.py": [
        "API_TOKEN = 'not-a-real-one-but-long'",
        "broker = 'amqp://reader:hunter2@broker:5672'",
        "-----BEGIN RSA PRIVATE KEY-----",
        f"id = 'AKIA{'A' * 16}'",
        "page = 'https://hooks.slack.com/services/T000/B000/XXXX'",
        "page = 'slack://tokentoken/tokentoken/'",
    ],
    "deploy/values.yaml": [
        "SECRET_KEY: not-a-real-one",
        "db:\n  password: not-a-real-one",
        'apiKey: "not-a-real-one"',
    ],
    "service.ini": ["[db]\npasswd = not-a-real-one  # staging"],
    "prod.env": ["export DB_PASSWORD=not-a-real-one"],
    "settings.json": ['{"secret": "not-a-real-one"}'],
}
HARMLESS = {
    "guards/taxi.py": ["token = os.environ['TOKEN']\npage = 'trip-oncall'", "# the password: ask platform"],
    "deploy/values.yaml": ["secretName: the-name-of-one", "password: ${DB_PASSWORD}", "token: <from-vault>"],
    "pyproject.toml": ['[tool.x]\nmax_tokens = 12345678'],
    ".git/config": ["password = not-a-real-one"],
    "models/taxi/data/notes.ini": ["password = not-a-real-one"],
}  # fmt: skip


def found(folder, file, text):
    (folder / file).parent.mkdir(parents=True, exist_ok=True)
    (folder / file).write_text(f"{text}\n")
    return [(str(path.relative_to(folder)), what) for path in configuration(folder) for what in held(path)]


@pytest.mark.parametrize(("file", "text"), [(file, text) for file in SECRETS for text in SECRETS[file]])
def test_a_secret_is_found_once_and_its_file_is_named(file, text, tmp_path):
    ((where, what),) = found(tmp_path, file, text)
    assert where == file
    assert what


@pytest.mark.parametrize(("file", "text"), [(file, text) for file in HARMLESS for text in HARMLESS[file]])
def test_what_only_sounds_like_a_secret_is_none(file, text, tmp_path):
    assert found(tmp_path, file, text) == []


def test_this_project_keeps_none():
    assert {str(path.relative_to(ROOT)) for path in configuration(ROOT) if list(held(path))} == set()
    assert {"pyproject.toml", "guards/taxi.py"} <= {
        str(path.relative_to(ROOT)) for path in configuration(ROOT)
    }

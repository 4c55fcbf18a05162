"""Lines about what a person declared: the contract, who owns what, what the business accepts, no secrets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from wardline.launch import secrets
from wardline.launch.inspection import Inspection
from wardline.launch.lines import Line, failed, passed, warned
from wardline.launch.taking import taken
from wardline.monitoring import FAMILIES
from wardline.owner import DUTIES, Owner

_REVIEW = "# review:"
_ANSWERS = re.compile(r"what\s+(?:do\s+i|to)\s+do", re.IGNORECASE)
_BLANK = re.compile(r"\b(?:TODO|TBD|FIXME)\b|\?\?\?")


def lines(found: Inspection) -> Iterator[Line]:
    """Check contract, alert owners, runbooks, the five owners, business, retraining and secrets."""
    yield _contract(found)
    yield _alerts(found)
    yield _duties(found)
    yield _business(found)
    yield _retraining(found)
    yield _secrets(found)


def _contract(found: Inspection) -> Line:
    """Examples are valid, every amount is bounded, and a person has looked at what was inferred."""
    contract = found.gate.contract
    for place, example in enumerate(contract.examples):
        refused = contract.admit(example).rejects.get(0, ())
        if refused:
            says = f"example {place} is refused: {refused[0].subject} is {refused[0].observed}"
            return failed("contract", says, "mend the example or the field", [refused[0].subject])
    if found.source is not None and found.source.is_file():
        left = [line.strip() for line in found.source.read_text().splitlines() if _REVIEW in line]
        if left:
            says = f"{len(left)} lines wait for a person: {left[0]}"
            return warned("contract", says, f"confirm each and remove its `{_REVIEW}`", left)
    schema = contract.schema()
    endless = {name: what for name, prop in schema["properties"].items()
               if (what := taken(prop, schema).endless)}  # fmt: skip
    if endless:
        says = ", ".join(f"{name} takes {what}" for name, what in endless.items())
        return warned(
            "contract", says, "bound it: Field(ge=..., le=...) or Field(max_length=...)", list(endless)
        )
    count = len(contract.fields)
    return passed("contract", f"{count} fields bounded, {len(contract.rules)} rules, examples valid")


def _alerts(found: Inspection) -> Line:
    """Every alert rule pages somebody, then somebody else, and says what to do."""
    gate = found.gate
    if gate.owner is None:
        return failed("alerts", "nobody owns the gate", "give it owner=Owner(...)", ["owner"])
    owners = {"gate": gate.owner, **{guard.name: gate.owner.of(guard.name) for guard in gate.guards}}
    owners |= gate.owner.overrides
    owners |= {rule.title: rule.owner or gate.owner.of(rule.title) for rule in gate.monitoring.rules}
    if gate.contract.upstream is not None:
        owners["upstream"] = gate.contract.upstream.owner
    wrong = {name: says for name, owner in owners.items() if (says := _unanswerable(owner, gate.root))}
    if wrong:
        name, says = next(iter(wrong.items()))
        do = "fill it in: an alert that pages nobody, or that nobody can act on, is no alert"
        alike = {each: [n for n, s in wrong.items() if s == each] for each in wrong.values()}
        details = [f"{', '.join(names)}: {each}" for each, names in alike.items()]
        return failed("alerts", f"{name}: {says}", do, list(wrong), details)
    families = [family for family in FAMILIES if family != "camera" or gate.contract.pictures]
    silent = [family for family in families if gate.monitoring.rule(family) is None]
    if silent:
        do = "add AlertRule(...) to monitoring=Monitoring(rules=...)"
        return warned("alerts", f"nobody hears of {', '.join(silent)}: no rule is about it", do, silent)
    return passed("alerts", f"{len(owners)} rules have owner, page, escalation and a runbook that answers")


def _unanswerable(owner: Owner, root: Path) -> str:
    """Say why an alert of this owner would help nobody; empty where it would."""
    if owner.blanks():
        return f"no {', no '.join(owner.blanks())}"
    runbook = root / owner.runbook
    try:
        text = runbook.read_text()
    except OSError as error:
        return f"runbook {owner.runbook} cannot be read ({error.strerror})"
    if not _answers(text):
        return f"runbook {owner.runbook} has no section that says what to do"
    return ""


def _answers(text: str) -> bool:
    """Say whether a section is headed "what to do" (or "what do I do") and has lines that are filled in."""
    inside, said = False, 0
    for line in text.splitlines():
        if line.lstrip().startswith("#"):
            inside = bool(_ANSWERS.search(line))
        elif inside and line.strip() and not _BLANK.search(line):
            said += 1
    return said >= 3


def _duties(found: Inspection) -> Line:
    """Five questions, five owners."""
    launch = found.gate.launch
    without = [duty for duty in DUTIES if not getattr(launch, duty).strip()]
    if without:
        says = f"nobody owns {', '.join(_SPELT[duty] for duty in without)}"
        return failed("owners", says, f"name a team: launch=Launch({without[0]}=...)", without)
    return passed("owners", ", ".join(f"{_SPELT[duty]}: {getattr(launch, duty)}" for duty in DUTIES))


_SPELT = {
    "training": "the training pipeline", "serving": "serving", "upstream": "upstream data",
    "performance": "model performance", "latency": "latency",
}  # fmt: skip


def _business(found: Inspection) -> Line:
    business = found.gate.launch.business
    if business is None or not business.metric.strip():
        do = "declare launch=Launch(business=Business(metric, baseline, degradation))"
        return failed("business metric", "no figure says whether the model earns its place", do, ["business"])
    if not business.degradation > 0:
        says = f"{business.metric}: a degradation of {business.degradation:g} can never be accepted"
        do = "say how much worse is acceptable, above 0"
        return failed("business metric", says, do, ["degradation"])
    return passed(
        "business metric", f"{business.metric}: {business.baseline:g}, {business.degradation:g} worse at most"
    )


def _retraining(found: Inspection) -> Line:
    retrain = found.gate.launch.retrain
    if retrain is None or not (retrain.when.strip() or retrain.every_days):
        return failed("retraining", "nothing says when the model is trained again",
                      "declare launch=Launch(retrain=Retrain(when, every_days))", ["retrain"])  # fmt: skip
    age = f"every {retrain.every_days:g} days" if retrain.every_days else ""
    return passed("retraining", " and ".join(filter(None, [retrain.when, age])))


def _secrets(found: Inspection) -> Line:
    """What is written into the project is read by everyone who can read the project."""
    root = found.gate.root
    files = secrets.configuration(root) | ({found.source} if found.source else set())
    leaks = []
    for path in sorted(files):
        where = path.relative_to(root) if path.is_relative_to(root) else path
        leaks += [(str(where), f"{where} holds {what}") for what in secrets.held(path)]
    if leaks:
        do = "move it to the environment, and change it: it has been seen"
        return failed("secrets", leaks[0][1], do, *zip(*leaks, strict=True))
    return passed("secrets", f"none in {len(files)} files of the configuration")

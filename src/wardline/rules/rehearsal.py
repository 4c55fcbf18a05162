"""Unit tests for promtool: the rules are shown traffic whose PSI is known, and must say that number.

What Prometheus computes is held to `wardline.stats.psi` on the same whole counts, and each kind of traffic
to whom it pages: like the reference nobody, drifted the owner, drifted but thin nobody; with a replica
restarted in the middle, or another owner at half of them, the same; drifted, but of rows so dependent that
it may be chance, nobody. Faults of ours page where they burn the error budget, and not the one of a quiet
night.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wardline.gate import Gate
from wardline.monitor.plan import Binner
from wardline.reference import Reference
from wardline.rules.alerting import BURNS, owner_of
from wardline.rules.recording import BINS, CRITICAL, REFERENCE, RESPONSES, TOGETHER, Names
from wardline.stats.psi import psi

EPSILON = 1e-9
_REPLICAS = 3
_CRITICAL = 30.0

Counts = NDArray[np.int64]


class Rehearsal:
    """Makes the tests of one gate, about the feature with the most bins."""

    def __init__(self, gate: Gate, reference: Reference, names: Names) -> None:
        self._gate, self._names = gate, names
        feature, profile = max(reference.features.items(), key=lambda item: int((item[1].counts > 0).sum()))
        self._counts = profile.counts.astype(np.int64)
        self._bins = [Binner(profile).label(place) for place in range(len(self._counts))]
        self._labels = {"gate": gate.name, "model": "m/1", "reference": reference.id, "feature": feature}
        self._minutes = int(names.window[:-1]) * {"m": 1, "h": 60}[names.window[-1]]

    def file(self, rules: Sequence[str]) -> dict[str, Any]:
        """Return the contents of the test file for these rule files."""
        counts, rows = self._counts, self._gate.monitoring.rows
        alike = np.rint(counts / counts.sum() * max(1000, 4 * rows // self._minutes)).astype(np.int64)
        drifted = alike[::-1].copy()
        drifted[np.argmin(counts)] += alike.sum()
        thin = np.zeros_like(alike)
        thin[np.argmin(counts)] = 1
        tests = [
            self._case("traffic like the reference", alike),
            self._case("drifted traffic", drifted),
            self._case("drifted traffic while a replica restarts", drifted, restart=True),
            self._case("too few rows to say anything", thin),
            self._case("drifted traffic whose rows hang together", drifted, together=1e9),
            self._case("drifted traffic while the gate changes hands", drifted, owners=("old", "new", "")),
            self._faults("one answer in ten is a fault of ours", "0+90x90", "0+10x90", pages=True),
            self._faults("a quiet night with one fault in two answers", "0x40 1x49", "0x86 1x3", pages=False),
        ]
        return {"rule_files": list(rules), "evaluation_interval": "1m", "tests": tests}

    def _case(
        self,
        name: str,
        each_minute: Counts,
        *,
        restart: bool = False,
        together: float = 0.0,
        owners: Sequence[str] = (),
    ) -> dict[str, Any]:
        live = each_minute * self._minutes
        value = psi(self._counts, live).value
        end = f"{2 * self._minutes}m"
        enough = live.sum() >= self._gate.monitoring.rows and not together
        fires = value >= self._gate.monitoring.alert and enough
        return {
            "name": name,
            "interval": "1m",
            "input_series": [
                *self._live(each_minute, restart=restart), *self._fixed(), *self._together(together),
                *self._owned(owners),
            ],
            "promql_expr_test": [{
                "expr": f"sum by (gate) (abs({self._names.of('psi')} - {value!r}) < bool {EPSILON})",
                "eval_time": end,
                "exp_samples": [{"labels": f'{{gate="{self._gate.name}"}}', "value": 1}],
            }],
            "alert_rule_test": [{
                "eval_time": end,
                "alertname": "WardlineDriftAlert",
                "exp_alerts": [self._page(value)] if fires else [],
            }],
        }  # fmt: skip

    def _page(self, value: float) -> dict[str, Any]:
        """Say who is paged, and what the page says."""
        owner = owner_of(self._gate, "drift.psi")
        summary = (
            f"{self._labels['feature']} of {self._gate.name} is distributed otherwise than in training: "
            f"PSI {value:.2f} over {self._names.window}"
        )
        labels = {**self._labels, "severity": "alert", "signal": "drift.psi", "team": owner.team,
                  "page": owner.page}  # fmt: skip
        return {
            "exp_labels": {key: value for key, value in labels.items() if value},
            "exp_annotations": {"summary": summary, "runbook": owner.runbook},
        }

    def _live(self, each_minute: Counts, *, restart: bool) -> list[dict[str, str]]:
        """Deal the rows of a minute out to the replicas, unevenly; a restarted one counts from nothing."""
        first = each_minute // 2
        second = (each_minute - first) // 3
        last, found = 2 * self._minutes, []
        for place, part in enumerate((first, second, each_minute - first - second)):
            for label, rows in zip(self._bins, part.tolist(), strict=True):
                values = f"0+{rows}x{last}"
                if restart and place == 0:
                    half = last - self._minutes // 2
                    values = f"0+{rows}x{half} {rows}+{rows}x{last - half - 1}"
                found.append({"series": self._name(BINS, bin=label, instance=f"r{place}"), "values": values})
        return found

    def _fixed(self) -> list[dict[str, str]]:
        """Return what every replica says of the reference."""
        last, found = 2 * self._minutes, []
        for place in range(_REPLICAS):
            instance = f"r{place}"
            for label, rows in zip(self._bins, self._counts.tolist(), strict=True):
                name = self._name(REFERENCE, bin=label, instance=instance)
                found.append({"series": name, "values": f"{rows}x{last}"})
            found.append({"series": self._name(CRITICAL, instance=instance), "values": f"{_CRITICAL}x{last}"})
        return found

    def _faults(self, name: str, good: str, bad: str, *, pages: bool) -> dict[str, Any]:
        """Answers and faults a minute, against the faster of the burn rates."""
        window, _, factor = BURNS[0]
        owner = owner_of(self._gate, "serving.errors")
        labels = {"gate": self._gate.name, "severity": "alert", "signal": "serving.errors",
                  "team": owner.team, "page": owner.page}  # fmt: skip
        summary = f"faults of ours burn the error budget {factor:g} times too fast over {window}"
        page = {
            "exp_labels": {key: value for key, value in labels.items() if value},
            "exp_annotations": {"summary": summary, "runbook": owner.runbook},
        }
        series = [
            {"series": f'{RESPONSES}{{gate="{self._gate.name}", code="{code}"}}', "values": values}
            for code, values in (("200", good), ("500", bad))
        ]
        alert = {"eval_time": "90m", "alertname": f"WardlineErrors{window}",
                 "exp_alerts": [page] if pages else []}  # fmt: skip
        return {"name": name, "interval": "1m", "input_series": series, "alert_rule_test": [alert]}

    def _owned(self, owners: Sequence[str]) -> list[dict[str, str]]:
        """Return what replicas say of who answers for the gate, each something else."""
        said = [f'owner="{owner}", instance="r{place}"' for place, owner in enumerate(owners)]
        name, values = f'wardline_gate_info{{gate="{self._gate.name}", ', f"1x{2 * self._minutes}"
        return [{"series": f"{name}{each}}}", "values": values} for each in said]

    def _together(self, effect: float) -> list[dict[str, str]]:
        """Return what the monitor of one replica says of how its rows hang together; nothing for 0."""
        gate, feature = self._labels["gate"], self._labels["feature"]
        name = f'{TOGETHER}{{gate="{gate}", feature="{_escaped(feature)}", instance="r0"}}'
        return [{"series": name, "values": f"{effect:g}x{2 * self._minutes}"}] if effect else []

    def _name(self, metric: str, **more: str) -> str:
        said = ", ".join(f'{key}="{_escaped(value)}"' for key, value in {**self._labels, **more}.items())
        return f"{metric}{{{said}}}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")

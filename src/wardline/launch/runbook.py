"""The runbook of a new gate: seven steps to find out why a model is wrong, with this gate's commands."""

from __future__ import annotations

from wardline.launch.scaffold import Plan

_SHOWN = 8  # fields named in a line


def runbook(plan: Plan) -> str:
    """Return docs/runbooks/NAME.md."""
    name = plan.name
    simple = f"| `{plan.fallback}` | a linear model | the first raised, was late, or was withheld |\n"
    return f"""# Runbook: {name}

**What it answers.** `{plan.target}`, {_answer(plan)}. Declared in `guards/{name}.py`, served by
`services/{name}.py`.
**Whose it is.** See `owner=` and `launch=` in `guards/{name}.py`.

| rung | answers with | when you see it |
| --- | --- | --- |
| `{name}` | the model in `models/{name}/1` | always, in health |
{simple if plan.fallback else ""}| `rule` | what is most usual | no model answered, or the input was blocked |

## What do I do?
1. **Is it the service?** `curl -s localhost:3000/readyz`. If it is not ready, it says why: put the last good
   model and its reference back (they belong together) and restart.
2. **How bad is it, since when?** `wardline records guards.{name} --since 1h --action fallback`, then the same
   for `reject` and `abstain`. Note the first record that is wrong.
3. **Is it the input?** {_inputs(plan)}
4. **Is it serving?** `wardline check guards.{name}`. Golden rows that do not reproduce name the feature, what
   was expected and the likely kind: null handling, scaling, a code, a time zone, a library, a model file.
5. **Is it one slice?** Compare the records of the slices. One slice alone is a source or a customer.
6. **Is it the world?** Contract, features and golden rows are fine, and labels say the answers are worse: the
   world moved. Start a retraining; until then serve the {"simple model" if plan.fallback else "rule"}.
7. **Close it.** Write down what was seen first, what it was, and the check that would have caught it; add it.
"""


def _answer(plan: Plan) -> str:
    return f"one of {len(plan.classes)} classes" if plan.classes else "a number"


def _inputs(plan: Plan) -> str:
    """Say what findings about the input mean: a table has fields, a picture has a camera."""
    if not plan.fields:
        return """Findings of one camera (`codec.*`, `isp.*`, `optics.*`, `exposure.*`): its firmware, its
   lens or its place changed. Ask who installed it. All cameras: what lies between them and you?"""
    names = ", ".join(f"`{field.name}`" for field in plan.features[:_SHOWN])
    more = " and more" if len(plan.features) > _SHOWN else ""
    return f"""It sees {names}{more}. Many
   `contract.*` findings on one field: ask who sends it what changed. `range.outside`, `category.new` and
   `ood.unlike_reference`: rows unlike the training data."""

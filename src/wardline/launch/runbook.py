"""The runbook of a new gate: seven steps to find out why a model is wrong, with this gate's commands."""

from __future__ import annotations


def runbook(name: str, target: str) -> str:
    """Return docs/runbooks/NAME.md."""
    return f"""# Runbook: {name}

**What it answers.** `{target}`, for one row. Declared in `guards/{name}.py`, served by `services/{name}.py`.
**Whose it is.** See `owner=` and `launch=` in `guards/{name}.py`.

## What do I do?
1. **Is it the service?** `curl -s localhost:3000/readyz`. If it is not ready, it says why: put the last good
   model and its reference back (they belong together) and restart.
2. **How bad is it, since when?** `wardline records guards.{name} --since 1h --action fallback`, then the same
   for `reject` and `abstain`. Note the first record that is wrong.
3. **Is it the input?** Many `contract.*` findings on one field: ask who sends it what changed.
   `range.outside`, `category.new` and `ood.unlike_reference`: rows unlike the training data.
4. **Is it serving?** `wardline check guards.{name}`. Golden rows that do not reproduce name the feature, what
   was expected and the likely kind: null handling, scaling, a code, a time zone, a library, a model file.
5. **Is it one slice?** Compare the records of the slices. One slice alone is a source or a customer.
6. **Is it the world?** Contract, features and golden rows are fine, and labels say the answers are worse: the
   world moved. Start a retraining; until then serve the rule.
7. **Close it.** Write down what was seen first, what it was, and the check that would have caught it; add it.
"""

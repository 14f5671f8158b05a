"""The column to learn: guessing it, judging it, and what should not be used beside it."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.data import leakage
from experiments.data.columns import is_group_candidate, is_time_candidate, name_tokens
from experiments.data.loading import count_rows
from experiments.data.specs import ColumnSchema, DatasetSchema, EngineError
from experiments.data.statistics import ColumnResult, column_result, sample_rows
from experiments.data.warnings import column_warnings, warning

MAX_CLASSES = 1_000
_MAX_INTEGER_CLASSES = 20
_IMBALANCE_SHARE = 0.8
_RARE_ROWS = 10
_SURE_NAMES = {
    "target", "label", "class", "y", "survived", "species", "outcome", "disposition", "diagnosis",
    "churn", "churned", "exited", "attrition", "response", "result", "default", "fraud", "isfraud",
    "quality", "grade", "medv", "medhousevalue", "medhouseval", "saleprice", "income", "approved",
    "spam", "variety", "category", "labels", "targets", "classes", "loan_status", "subscribed",
}  # fmt: skip
_LIKELY_TOKENS = _SURE_NAMES | {"status", "price", "score", "type", "predicted", "event"}


def guess_target(results: list[ColumnResult]) -> str | None:
    """Return the most likely column to learn, None when nothing suggests one."""
    best, best_score = None, 1.5
    for position, result in enumerate(results):
        score = _target_score(result, is_last=position == len(results) - 1)
        if score > best_score:
            best, best_score = result.column.name, score
    return best


def _target_score(result: ColumnResult, *, is_last: bool) -> float:
    column, stats = result.column, result.stats
    if stats["role"] or column.type in ("datetime", "text") or len(column.name) == 0:
        return -1.0
    if stats["null_percent"] > 50 or stats["n_distinct"] < 2:
        return -1.0
    name = column.name.lower()
    tokens = name_tokens(column.name)
    score = 2.0 if is_last else 0.0
    if name in _SURE_NAMES:
        score += 10.0
    elif tokens and (tokens[-1] in _SURE_NAMES or tokens[0] in ("target", "label")):
        score += 6.0
    elif any(token in _LIKELY_TOKENS for token in tokens):
        score += 2.0
    if score and task_of(column, stats) == "classification" and stats["n_distinct"] <= 20:
        score += 2.0
    return score


def task_of(column: ColumnSchema, stats: dict[str, Any]) -> str:
    """Return "classification" or "regression" for a target column with these figures."""
    if column.type in ("boolean", "category", "text"):
        return "classification"
    if column.type == "datetime":
        return "regression"
    n_distinct = stats["n_distinct"]
    if column.type == "integer":
        few = n_distinct <= _MAX_INTEGER_CLASSES and n_distinct <= 0.5 * max(4, result_rows(stats))
        return "classification" if few else "regression"
    whole = all(float(item["value"]).is_integer() for item in stats["top_values"])
    return "classification" if n_distinct <= 10 and whole and n_distinct else "regression"


def result_rows(stats: dict[str, Any]) -> int:
    """Return the number of filled rows behind a histogram."""
    histogram = stats.get("histogram")
    return sum(histogram["counts"]) if histogram else 0


def analyse_target(table_path: Path, schema: DatasetSchema, target: str) -> dict[str, Any]:
    """Return what a training on `target` should know before it starts.

    Returns:
        {"target", "task", "n_classes", "classes" [{value, count}], "histogram", "n_missing",
        "warnings", "exclude" [{column, reason, code}], "group_candidates", "time_candidates",
        "rows_used"}. `exclude` proposes leaking, identifier, constant and empty columns.

    Raises:
        EngineError: `unknown_column`, `target_empty`, `target_one_class`, `too_few_rows`,
            `too_many_classes`, `target_type`.
    """
    schema.column(target)
    rows = sample_rows(count_rows(table_path))
    results = []
    for column in schema.columns:
        result = column_result(table_path, column, rows)
        result.hashes = np.zeros(0, dtype=np.uint64)
        results.append(result)
    chosen = _result_of(results, target)
    refuse_impossible_target(chosen)
    findings = target_findings(results, target)
    found = [item for result in results for item in column_warnings(result)]
    findings["warnings"] = findings["warnings"] + [
        item for item in found if item["column"] == target
    ]
    findings["exclude"] = _exclusions(findings["warnings"] + found, target)
    findings["group_candidates"] = _group_candidates(results, target)
    findings["time_candidates"] = _time_candidates(results, target)
    return findings


def _result_of(results: list[ColumnResult], name: str) -> ColumnResult:
    return next(result for result in results if result.column.name == name)


def refuse_impossible_target(result: ColumnResult) -> None:
    """Refuse a target that nothing can be learnt about.

    Raises:
        EngineError: See `analyse_target`.
    """
    name, stats = result.column.name, result.stats
    n_filled = result.facts.n_filled
    if n_filled == 0:
        raise EngineError("target_empty", f"The target “{name}” is empty.", column=name)
    if result.column.type == "datetime":
        raise EngineError(
            "target_type", f"The target “{name}” is a date; choose a number or classes.",
            column=name,
        )  # fmt: skip
    if n_filled < 5:
        raise EngineError(
            "too_few_rows",
            f"Only {n_filled} rows have a value of the target “{name}”; at least 5 are needed.",
            column=name,
        )
    if stats["n_distinct"] == 1:
        raise EngineError(
            "target_one_class",
            f"The target “{name}” has the same value in every row; there is nothing to learn.",
            column=name,
        )
    is_classes = task_of(result.column, stats) == "classification"
    if is_classes and stats["n_distinct"] > MAX_CLASSES:
        raise EngineError(
            "too_many_classes",
            f"The target “{name}” has {stats['n_distinct']:,} classes; the limit is {MAX_CLASSES}.",
            column=name,
        )


def target_findings(results: list[ColumnResult], target: str) -> dict[str, Any]:
    """Return task, classes and the warnings that depend on the target (leakage, imbalance)."""
    chosen = _result_of(results, target)
    task = task_of(chosen.column, chosen.stats)
    known = ~np.isnan(chosen.sample)
    picked = _picked(known)
    classes: list[dict[str, Any]] = []
    if task == "classification":
        classes = _classes(chosen)
    warnings = _balance_warnings(chosen, classes) + _leak_warnings(results, chosen, task, picked)
    return {
        "target": target,
        "task": task,
        "n_classes": chosen.stats["n_distinct"] if task == "classification" else None,
        "classes": classes,
        "histogram": chosen.stats["histogram"] if task == "regression" else None,
        "n_missing": chosen.stats["n_null"],
        "rows_used": len(picked),
        "warnings": warnings,
        "exclude": [],
        "group_candidates": [],
        "time_candidates": [],
    }


def _picked(known: NDArray[np.bool_]) -> NDArray[np.int64]:
    rows = np.flatnonzero(known)
    if len(rows) > leakage.MAX_ROWS:
        rows = np.sort(np.random.default_rng(0).choice(rows, leakage.MAX_ROWS, replace=False))
    return rows


def _classes(chosen: ColumnResult) -> list[dict[str, Any]]:
    """Return classes with counts, most frequent first; exact for words, of the sample for numbers."""
    if chosen.column.type in ("category", "text", "boolean") and chosen.levels:
        ordered = sorted(chosen.levels)
        ranks = chosen.sample[~np.isnan(chosen.sample)].astype(np.int64)
        counts = np.bincount(ranks, minlength=len(ordered))
        exact = {item["value"]: item["count"] for item in chosen.stats["top_values"]}
        pairs = [
            (word, exact.get(word, int(count))) for word, count in zip(ordered, counts, strict=True)
        ]
    else:
        values, counts = np.unique(chosen.sample[~np.isnan(chosen.sample)], return_counts=True)
        pairs = [(_plain(value), int(count)) for value, count in zip(values, counts, strict=True)]
    kept = [(value, count) for value, count in pairs if count]
    kept.sort(key=lambda pair: -pair[1])
    return [{"value": value, "count": count} for value, count in kept]


def _plain(value: float) -> int | float:
    return int(value) if float(value).is_integer() else float(value)


def _balance_warnings(chosen: ColumnResult, classes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    name = chosen.column.name
    made = []
    total = sum(item["count"] for item in classes)
    if len(classes) >= 2:
        top, last = classes[0], classes[-1]
        share = top["count"] / total
        if share >= _IMBALANCE_SHARE or (len(classes) == 2 and top["count"] > 4 * last["count"]):
            made.append(
                warning(
                    "class_imbalance",
                    name,
                    f"“{top['value']}” makes up {share:.0%} of the target “{name}”: accuracy alone "
                    "will look better than the model is.",
                    "warning",
                    target=name,
                    share=round(share, 4),
                )
            )
    rare = [item for item in classes if item["count"] < _RARE_ROWS]
    if rare:
        listed = ", ".join(f"“{item['value']}” ({item['count']})" for item in rare[:5])
        made.append(
            warning(
                "rare_classes",
                name,
                f"{len(rare)} classes of “{name}” have fewer than {_RARE_ROWS} rows: {listed}.",
                "warning",
                target=name,
                classes=[item["value"] for item in rare[:20]],
            )
        )
    return made


def _leak_warnings(
    results: list[ColumnResult], chosen: ColumnResult, task: str, rows: NDArray[np.int64]
) -> list[dict[str, Any]]:
    y = chosen.sample[rows]
    if len(rows) < 10:
        return []
    codes, labels = _class_codes(chosen, y)
    made = []
    for result in results:
        if result is chosen or result.stats["role"] in ("empty", "constant"):
            continue
        values = result.sample[rows]
        if task == "regression":
            leak = leakage.regression_leak(values, y)
        else:
            leak = leakage.classification_leak(values[codes >= 0], codes[codes >= 0], labels)
        if leak is not None:
            made.append(
                warning(
                    "leakage",
                    result.column.name,
                    f"“{result.column.name}” may give away “{chosen.column.name}”: {leak.reason}. "
                    "Leave it out unless it is known before the target is.",
                    "danger",
                    target=chosen.column.name,
                    rows_used=len(rows),
                    **leak.details,
                )
            )
    return made


def _class_codes(
    chosen: ColumnResult, y: NDArray[np.float64]
) -> tuple[NDArray[np.int64], list[str]]:
    """Return codes of the 20 most frequent classes (-1 = another) and their names."""
    values, counts = np.unique(y, return_counts=True)
    kept = np.sort(values[np.argsort(-counts, kind="stable")[: leakage.MAX_CLASSES]])
    codes = np.searchsorted(kept, y)
    codes = np.where(kept[np.minimum(codes, len(kept) - 1)] == y, codes, -1)
    ordered = sorted(chosen.levels) if chosen.levels else []
    labels = [str(ordered[int(v)]) if ordered else f"{v:g}" for v in kept]
    return codes.astype(np.int64), labels


def _exclusions(warnings: list[dict[str, Any]], target: str) -> list[dict[str, str]]:
    order = ("leakage", "identifier_column", "constant_column", "empty_column")
    made: dict[str, dict[str, str]] = {}
    for code in order:
        for item in warnings:
            name = item["column"]
            if item["code"] == code and name != target and name not in made:
                made[name] = {"column": name, "reason": item["message"], "code": code}
    return list(made.values())


def _group_candidates(results: list[ColumnResult], target: str) -> list[dict[str, Any]]:
    return [
        {
            "column": result.column.name,
            "n_groups": result.facts.n_distinct,
            "reason": f"{result.facts.n_filled:,} rows share {result.facts.n_distinct:,} values; "
            "rows of one group should not be in training and test.",
        }
        for result in results
        if result.column.name != target and is_group_candidate(result.column, result.facts)
    ]


def _time_candidates(results: list[ColumnResult], target: str) -> list[dict[str, Any]]:
    return [
        {"column": result.column.name, "n_missing": result.stats["n_null"]}
        for result in results
        if result.column.name != target
        and is_time_candidate(result.column)
        and result.facts.n_distinct > 1
    ]

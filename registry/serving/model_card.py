"""The model card of a version: what it is, how good, on what, and what to beware of, as Markdown."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from registry.serving.specs import InputContract

TOP_FEATURES = 10
MAX_INPUTS = 60
IMBALANCE_RATIO = 5.0
# Everything that means something to Markdown or HTML: text from data stays text.
SPECIAL = re.compile(r"([\\`*_\[\]()<>#|!~&])")
TITLES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "weighted_f1": "weighted F1",
    "roc_auc": "ROC AUC",
    "pr_auc": "PR AUC",
    "log_loss": "log loss",
    "brier": "Brier score",
    "mae": "MAE",
    "rmse": "RMSE",
    "r2": "R²",
    "median_ae": "median absolute error",
    "mape": "MAPE",
}


def model_card(
    manifest: Mapping[str, Any],
    result: Mapping[str, Any] | None,
    *,
    dataset_name: str,
    dataset_version: int,
    author: str,
    dataset_warnings: Sequence[Mapping[str, Any]] = (),
    name: str | None = None,
    version: int | None = None,
) -> str:
    """Return the card as Markdown; every text that comes from data or people is escaped.

    Args:
        manifest: of the model file.
        result: the report of the run, or None if it was not evaluated.
        dataset_name: what it was trained on.
        dataset_version: version of it.
        author: who trained it.
        dataset_warnings: warnings of that dataset version (`{"code", "column", "message"}`).
        name: registered model; None before registration.
        version: its version number; None before registration.
    """
    sections = [
        _title(manifest, name, version),
        _what(manifest, dataset_name, dataset_version, author),
        _intended_use(),
        _data(manifest, result),
        _quality(result),
        _features(result),
        _caveats(manifest, result, dataset_warnings),
        _how_to_predict(manifest),
        _versions(manifest),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _text(value: Any) -> str:
    """Return text on one line that Markdown shows as it is."""
    return SPECIAL.sub(r"\\\1", " ".join(str(value).split())).replace("\\<", "&lt;")


def _title(manifest: Mapping[str, Any], name: str | None, version: int | None) -> str:
    if name is None:
        return f"# Model for {_text(manifest['target'])}"
    return f"# {_text(name)}" + (f", version {version}" if version is not None else "")


def _figure(value: Any) -> str:
    return "–" if value is None else f"{float(value):.4g}"


def _what(manifest: Mapping[str, Any], dataset_name: str, dataset_version: int, author: str) -> str:
    target = _text(manifest["target"])
    unit = manifest.get("target_unit")
    said = f"the number **{target}**{f' in {_text(unit)}' if unit else ''}"
    if manifest.get("classes"):
        classes = ", ".join(_text(label) for label in manifest["classes"][:20])
        more = len(manifest["classes"]) - 20
        said = f"**{target}**, one of: {classes}{f' and {more} more' if more > 0 else ''}"
    kind = str(manifest["model_type"]).replace("_", " ")
    lines = [
        "## What it is",
        f"A {kind} model that predicts {said}.",
        f"Trained by {_text(author)} on {_text(dataset_name)}, version {dataset_version}.",
    ]
    if not manifest.get("complete", True):
        lines.append(
            f"**The training was stopped early**: {manifest.get('units_done')} of "
            f"{manifest.get('units_total')} steps were done."
        )
    return "\n\n".join(lines)


def _intended_use() -> str:
    return (
        "## Intended use\n\n"
        "_To be written by the author: who should use this model, for which decisions, and for "
        "which it must not be used._"
    )


def _data(manifest: Mapping[str, Any], result: Mapping[str, Any] | None) -> str:
    validation = manifest["spec"].get("validation", {})
    lines = [
        "## Data",
        f"- Dataset SHA-256: `{_text(manifest['dataset_sha256'])}`",
        f"- Rows learned from: {manifest['n_train']:,}",
    ]
    if result:
        lines.append(f"- Rows held out for the figures below: {result['n_test']:,}")
    lines.append(f"- Held out by: {_validation(validation)}")
    left_out = manifest["spec"].get("excluded") or []
    for item in left_out[:30]:
        reason = f" ({_text(item['reason'])})" if item.get("reason") else ""
        lines.append(f"- Left out on purpose: {_text(item['column'])}{reason}")
    return lines[0] + "\n\n" + "\n".join(lines[1:])


def _validation(validation: Mapping[str, Any]) -> str:
    share = f"{100 * float(validation.get('test_fraction', 0)):.0f} % of the rows"
    words = {
        "split": f"chance, {share}",
        "stratified": f"chance within each class, {share}",
        "group": f"whole groups of {_text(validation.get('group_column') or '')}, {share}",
        "time": f"the latest by {_text(validation.get('time_column') or '')}, {share}",
        "kfold": f"cross-validation in {validation.get('n_folds')} folds",
        "test_dataset": "an own test dataset",
    }
    return words.get(str(validation.get("kind")), "chance")


def _quality(result: Mapping[str, Any] | None) -> str:
    if not result:
        return "## Quality\n\nThis model was not evaluated."
    folds = str(result["intervals"]).startswith("folds")
    source = "over the folds" if folds else "by bootstrap over the held-out rows"
    lines = [
        "## Quality",
        "",
        f"95 % intervals {source}; the baseline always names the commonest answer.",
        "",
        "| figure | value | 95 % interval | baseline |",
        "| --- | ---: | :---: | ---: |",
    ]
    for name, row in result["metrics"].items():
        between = f"{_figure(row['low'])} to {_figure(row['high'])}"
        lines.append(
            f"| {TITLES.get(name, name)} | {_figure(row['value'])} | {between} "
            f"| {_figure(row['baseline'])} |"
        )
    return "\n".join(lines + _per_class(result))


def _per_class(result: Mapping[str, Any]) -> list[str]:
    rows = result.get("per_class") or []
    if not rows:
        return []
    lines = [
        "",
        "| class | precision | recall | F1 | rows |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {_text(row['label'])} | {_figure(row['precision'])} | {_figure(row['recall'])} "
        f"| {_figure(row['f1'])} | {row['support']:,} |"
        for row in rows[:30]
    ]
    return lines


def _features(result: Mapping[str, Any] | None) -> str:
    rows = (result or {}).get("feature_importance") or []
    if not result or not rows:
        return ""
    loss = str(result.get("importance", {}).get("loss", "loss")).replace("_", " ")
    lines = [
        "## What it looks at",
        "",
        f"How much the {loss} gets worse when one column is shuffled:",
        "",
    ]
    lines += [
        f"{place}. {_text(row['feature'])}: {_figure(row['mean'])} (± {_figure(row['std'])})"
        for place, row in enumerate(rows[:TOP_FEATURES], start=1)
    ]
    return "\n".join(lines)


def _caveats(
    manifest: Mapping[str, Any],
    result: Mapping[str, Any] | None,
    dataset_warnings: Sequence[Mapping[str, Any]],
) -> str:
    used = {feature["name"] for feature in manifest["features"]}
    lines = []
    for warning in dataset_warnings[:30]:
        column = warning.get("column")
        state = ""
        if column:
            state = " Used by this model." if column in used else " Not used by this model."
        lines.append(f"- {_text(warning['message'])}{state}")
    lines += [f"- {_text(note)}" for note in (result or {}).get("notes", [])]
    lines += _imbalance(result)
    lines.append(
        "- Reasons show what moved this model's answer, not what causes the outcome in the world."
    )
    return "## Caveats\n\n" + "\n".join(lines)


def _imbalance(result: Mapping[str, Any] | None) -> list[str]:
    support = [row["support"] for row in (result or {}).get("per_class") or [] if row["support"]]
    if len(support) < 2 or max(support) < IMBALANCE_RATIO * min(support):
        return []
    return [
        f"- Classes are uneven (from {min(support):,} to {max(support):,} held-out rows): look at "
        "the figures per class before the overall ones."
    ]


def _how_to_predict(manifest: Mapping[str, Any]) -> str:
    features = InputContract.from_manifest(manifest).features
    lines = [
        "## How to predict",
        "",
        "Type values on the page of the version, upload a file there, or send "
        "`POST /api/v1/ml-platform/models/<name>/versions/<n>/predict/` with "
        '`{"rows": [{"column": value, ...}]}` (up to 1,000 rows at once). Columns go by name; '
        "their order does not matter.",
        "",
        "| column | type | unit | may be empty | seen in training |",
        "| --- | --- | --- | --- | --- |",
    ]
    for item in features[:MAX_INPUTS]:
        seen = ""
        if item.levels is not None:
            seen = ", ".join(_text(level) for level in item.levels[:5])
            seen += ", …" if len(item.levels) > 5 else ""
        elif item.min is not None and item.max is not None and item.type != "datetime":
            seen = f"{item.min:.6g} to {item.max:.6g}"
        empty = "yes" if item.nullable else "no"
        lines.append(
            f"| {_text(item.name)} | {item.type} | {_text(item.unit)} | {empty} | {seen} |"
        )
    if len(features) > MAX_INPUTS:
        lines.append(f"| … and {len(features) - MAX_INPUTS} more | | | | |")
    return "\n".join(lines)


def _versions(manifest: Mapping[str, Any]) -> str:
    versions = manifest.get("versions") or {}
    lines = ["## Made with", ""]
    lines += [f"- {_text(name)} {_text(number)}" for name, number in sorted(versions.items())]
    lines += [
        f"- Model file: skops, SHA-256 `{_text(manifest.get('sha256', ''))}`",
        f"- Seed: {manifest['spec'].get('seed', 0)}",
    ]
    return "\n".join(lines)

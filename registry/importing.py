"""Registered models of a source brought here: names, versions with their numbers, aliases, tags."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from experiments.importing.records import (
    RegisteredModelRecord,
    Source,
    Unreadable,
    VersionRecord,
)
from experiments.importing.reports import Report
from experiments.importing.tallies import Tallies, Tally
from experiments.importing.targets import Target, moment
from experiments.models import LoggedModel, Run
from experiments.selectors.artifact_places import place_in_model, place_in_run
from platform_site.core.clock import epoch_ms
from platform_site.core.errors import DomainError
from platform_site.core.names import model_name
from platform_site.core.transactions import write_transaction
from registry.models import (
    ModelAlias,
    ModelVersion,
    ModelVersionTag,
    RegisteredModel,
    RegisteredModelTag,
)
from registry.services.freezing import freeze

LARGEST_NUMBER: Final = 2**31 - 1
OF_RUN: Final = re.compile(r"/([0-9a-f]{32})/artifacts(/.*)?$")
OF_MODEL: Final = re.compile(r"/(m-[0-9a-f]{32})/artifacts(/.*)?$")
BY_ID: Final = re.compile(r"^models:/(m-[0-9a-f]{32})$")
BY_RUN: Final = re.compile(r"^runs:/([0-9a-f]{32})(/.*)?$")


def bring_registered_models(source: Source, target: Target, report: Report) -> None:
    """Bring and compare every registered model of the source, after its runs are here."""
    for record in source.registered_models():
        where = f"registered model {record.name[:60]}"
        try:
            _bring(target, record, report)
        except Unreadable as problem:
            report.left_out.append(f"{where}: {problem}")
        except DomainError as refusal:
            report.left_out.append(f"{where}: {refusal.message}")
        target.tell("registered models")


def _bring(target: Target, record: RegisteredModelRecord, report: Report) -> None:
    name = model_name(record.name)
    if name != record.name:
        raise Unreadable(f"its name would be {name!r} here; give it that name at its source first")
    model = RegisteredModel.objects.named(name).filter(project=target.project).first()
    if model is not None and model.name != record.name:
        raise Unreadable(f"a model here has the name in another case: {model.name}")
    if target.may_write:
        with write_transaction():
            model = _write(target, model, record, report)
    ours: Tallies = _tallies_of_model(model, record) if model is not None else {}
    report.compare(f"registered model {record.name[:60]}", _tallies_of_record(record), ours)


def _write(
    target: Target, model: RegisteredModel | None, record: RegisteredModelRecord, report: Report
) -> RegisteredModel:
    if not 0 <= record.last_number <= LARGEST_NUMBER:
        raise Unreadable(f"its greatest version number is {record.last_number}")
    if model is None:
        model = RegisteredModel.objects.create(
            project=target.project,
            name=record.name,
            description=record.description,
            last_number=record.last_number,
            created_by=target.by,
            created_at=moment(record.created_ms),
            updated_at=moment(record.updated_ms),
        )
        report.add("registered models")
    elif model.last_number < record.last_number:
        RegisteredModel.objects.filter(pk=model.pk).update(last_number=record.last_number)
    RegisteredModelTag.objects.bulk_create(
        (
            RegisteredModelTag(model=model, key=key, value=value)
            for key, value in record.tags.items()
        ),
        ignore_conflicts=True,
    )
    have = set(model.versions.values_list("number", flat=True))
    for version in record.versions:
        if version.number not in have:
            _write_version(target, model, version)
            report.add("versions")
    _write_aliases(model, record, report)
    return model


def _write_aliases(model: RegisteredModel, record: RegisteredModelRecord, report: Report) -> None:
    versions = dict(model.versions.values_list("number", "pk"))
    have = set(model.aliases.values_list("name", flat=True))
    for alias, number in record.aliases.items():
        if alias not in have and number in versions:
            ModelAlias.objects.create(model=model, name=alias, version_id=versions[number])
            report.add("aliases")


def _write_version(target: Target, model: RegisteredModel, record: VersionRecord) -> None:
    if not 0 < record.number <= LARGEST_NUMBER:
        raise Unreadable(f"it has a version number {record.number}")
    if record.stage not in ModelVersion.Stage.values:
        raise Unreadable(f"version {record.number} has an unknown stage: {record.stage}")
    run, logged_model, location = _origin(target, record)
    version = ModelVersion.objects.create(
        model=model,
        number=record.number,
        run=run,
        logged_model=logged_model,
        source=record.source,
        storage_location=location,
        run_text=record.run_text,
        run_link=record.run_link,
        description=record.description,
        stage=record.stage,
        updated_at=moment(record.updated_ms),
        created_by=target.by,
        created_at=moment(record.created_ms),
    )
    ModelVersionTag.objects.bulk_create(
        ModelVersionTag(version=version, key=key, value=value) for key, value in record.tags.items()
    )
    freeze(version)


def _origin(target: Target, record: VersionRecord) -> tuple[Run | None, LoggedModel | None, str]:
    """Return the run, the logged model and where the files are here, as far as known."""
    run = _run(target, record.run_text)
    for text in (record.storage_location, record.source):
        found = OF_MODEL.search(text) or BY_ID.search(text)
        model = _logged_model(target, found[1]) if found else None
        if model is not None and found is not None:
            rest = found[2] if found.re is OF_MODEL else ""
            place = place_in_model(model, (rest or "").strip("/"))
            return run or model.source_run, model, f"mlflow-artifacts:/{place.path}"
        found = OF_RUN.search(text) or BY_RUN.search(text)
        owner = _run(target, found[1]) if found else None
        if owner is not None and found is not None:
            place = place_in_run(owner, (found[2] or "").strip("/"))
            return run or owner, None, f"mlflow-artifacts:/{place.path}"
    return run, None, record.storage_location


def _run(target: Target, uuid: str) -> Run | None:
    runs = Run.objects.select_related("experiment").filter(project=target.project)
    return runs.filter(uuid=uuid).first() if uuid else None


def _logged_model(target: Target, model_id: str) -> LoggedModel | None:
    models = LoggedModel.objects.select_related("experiment", "source_run")
    return models.filter(model_id=model_id, experiment__project=target.project).first()


def _tallies_of_record(record: RegisteredModelRecord) -> Tallies:
    models, versions, aliases = Tally(), Tally(), Tally()
    models.add_texts(
        record.name, record.description, record.created_ms, sorted(record.tags.items())
    )
    for version in record.versions:
        versions.add_texts(
            record.name, version.number, version.description, version.stage, version.source,
            version.run_text, version.run_link, version.created_ms, version.updated_ms,
            sorted(version.tags.items()),
        )  # fmt: skip
    for alias, number in record.aliases.items():
        aliases.add_texts(record.name, alias, number)
    return {"registered models": models, "versions": versions, "aliases": aliases}


def _tallies_of_model(model: RegisteredModel, record: RegisteredModelRecord) -> Tallies:
    """Return what we have; versions, labels and aliases added here since do not count."""
    models, versions, aliases = Tally(), Tally(), Tally()
    tags = _kept(model.tags.values_list("key", "value"), record.tags)
    models.add_texts(model.name, model.description, epoch_ms(model.created_at), tags)
    wanted = {version.number: version for version in record.versions}
    for version in model.versions.filter(number__in=wanted):
        labels = _kept(version.tags.values_list("key", "value"), wanted[version.number].tags)
        versions.add_texts(
            model.name, version.number, version.description, version.stage, version.source,
            version.run_text, version.run_link, epoch_ms(version.created_at),
            epoch_ms(version.updated_at), labels,
        )  # fmt: skip
    for alias in model.aliases.select_related("version"):
        if alias.name in record.aliases:
            aliases.add_texts(model.name, alias.name, alias.version.number)
    return {"registered models": models, "versions": versions, "aliases": aliases}


def _kept(pairs: Iterable[tuple[str, str]], wanted: dict[str, str]) -> list[tuple[str, str]]:
    return sorted((key, value) for key, value in pairs if key in wanted)

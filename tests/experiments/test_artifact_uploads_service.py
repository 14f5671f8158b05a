"""Files that come in parts: put together, given up, abandoned; nothing is left behind."""

import hashlib
import os
import time
from datetime import timedelta

import pytest

from assets.models import Blob
from assets.storage import open_blob, temp_dir
from experiments.models import ArtifactFile, ArtifactUpload
from experiments.services import artifact_uploads
from experiments.services.artifact_uploads import (
    PartWriter,
    abort_upload,
    clear_abandoned,
    finish_upload,
    part_token,
    start_upload,
    upload_for_part,
)
from experiments.services.frozen_folders import freeze_folder
from platform_site.accounts.models import Membership
from platform_site.core.clock import now
from platform_site.core.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    StorageFull,
    TooLarge,
    TooMany,
)
from platform_site.core.transactions import write_transaction
from tests.experiments.artifact_help import folder_of, make_run, place, put
from tests.experiments.dataset_help import stored_files

pytestmark = [pytest.mark.usefixtures("own_store"), pytest.mark.django_db]
PARTS = [b"first part,", b"second part,", b"third"]


@pytest.fixture
def run(people):
    return make_run(people.project)


@pytest.fixture
def where(people, run):
    return place(people.alice, f"{folder_of(run)}/big.bin")


def send(upload, number, content) -> str:
    with PartWriter(upload, number) as writer:
        writer.write(content)
        return writer.finish().sha256


@pytest.fixture
def sent(people, where):
    """An upload whose parts have all arrived, in an odd order; and their names."""
    upload = start_upload(place=where, n_parts=3, by_id=people.alice.pk)
    parts = [(number, send(upload, number, PARTS[number - 1])) for number in (3, 1, 2)]
    return upload, parts


def finish(upload, where, parts, people):
    finish_upload(upload_id=upload.upload_id, place=where, parts=parts, by_id=people.alice.pk)


def test_the_parts_in_their_order_are_the_file(people, where, sent):
    upload, parts = sent
    finish(upload, where, parts, people)
    whole = b"".join(PARTS)
    file = ArtifactFile.objects.select_related("blob").get()
    assert file.blob.sha256 == hashlib.sha256(whole).hexdigest()
    with open_blob(file.blob.sha256) as stored:
        assert stored.read() == whole
    assert list(temp_dir().iterdir()) == []


def test_finishing_again_does_nothing(people, where, sent):
    upload, parts = sent
    for _ in range(2):
        finish(upload, where, parts, people)
    assert ArtifactFile.objects.count() == 1


def test_a_part_that_is_sent_again_may_be_another_one(people, where, sent):
    upload, parts = sent
    etags = dict(parts)
    etags[2] = send(upload, 2, b"better,")
    finish(upload, where, list(etags.items()), people)
    assert ArtifactFile.objects.get().size_bytes == len(b"first part,better,third")


@pytest.mark.parametrize(
    "change",
    [
        lambda parts: parts[:-1],
        lambda parts: [*parts, parts[0]],
        lambda parts: [*parts[:-1], (4, parts[-1][1])],
        lambda parts: [*parts[:-1], (parts[-1][0], "../../../etc/passwd")],
        lambda parts: [*parts[:-1], (parts[-1][0], "0" * 64)],
        lambda parts: [],
    ],
)
def test_a_missing_or_wrong_part_is_named_and_the_upload_goes_on(people, where, sent, change):
    upload, parts = sent
    with pytest.raises(Invalid):
        finish(upload, where, change(parts), people)
    assert not ArtifactFile.objects.exists()
    assert not Blob.objects.exists()
    finish(upload, where, parts, people)
    assert ArtifactFile.objects.count() == 1


def test_an_upload_can_only_be_finished_where_it_was_started_for(people, run, sent):
    upload, parts = sent
    elsewhere = place(people.alice, f"{folder_of(run)}/other.bin")
    with pytest.raises(NotFound):
        finish(upload, elsewhere, parts, people)
    with pytest.raises(NotFound):
        abort_upload(upload_id=upload.upload_id, place=elsewhere)


@pytest.mark.parametrize("upload_id", ["", "x", "../../blobs", "0" * 32])
def test_an_unknown_upload_is_not_found(people, where, upload_id):
    with pytest.raises(NotFound):
        finish_upload(upload_id=upload_id, place=where, parts=[], by_id=people.alice.pk)


def test_giving_up_leaves_nothing_and_may_be_repeated(people, where, sent):
    upload, parts = sent
    for _ in range(2):
        abort_upload(upload_id=upload.upload_id, place=where)
    assert stored_files() == set()
    assert not ArtifactUpload.objects.exists()
    with pytest.raises(NotFound):
        finish(upload, where, parts, people)


def test_giving_up_after_the_end_keeps_the_file(people, where, sent):
    upload, parts = sent
    finish(upload, where, parts, people)
    abort_upload(upload_id=upload.upload_id, place=where)
    assert ArtifactFile.objects.count() == 1


def test_a_part_that_comes_after_giving_up_leaves_nothing(people, where):
    upload = start_upload(place=where, n_parts=1, by_id=people.alice.pk)
    with PartWriter(upload, 1) as writer:
        writer.write(b"late")
        abort_upload(upload_id=upload.upload_id, place=where)
        with pytest.raises(NotFound):
            writer.finish()
    assert stored_files() == set()


def test_a_part_needs_its_own_token_and_a_person_who_may_write(people, where):
    upload = start_upload(place=where, n_parts=2, by_id=people.alice.pk)
    other = start_upload(place=where, n_parts=2, by_id=people.alice.pk)
    token = part_token(upload, 1)
    assert upload_for_part(upload.upload_id, 1, token) == upload
    for upload_id, number, wrong in [
        (upload.upload_id, 2, token),
        (other.upload_id, 1, token),
        (upload.upload_id, 1, token + "x"),
        (upload.upload_id, 1, ""),
    ]:
        with pytest.raises(Forbidden):
            upload_for_part(upload_id, number, wrong)
    Membership.objects.filter(user=people.alice).update(role="viewer")
    with pytest.raises(Forbidden):
        upload_for_part(upload.upload_id, 1, token)


def test_a_part_beyond_the_number_announced_is_refused(people, where):
    upload = start_upload(place=where, n_parts=2, by_id=people.alice.pk)
    with pytest.raises(NotFound):
        upload_for_part(upload.upload_id, 3, part_token(upload, 3))


@pytest.mark.parametrize("n_parts", [0, -1, 10_001, 2**40])
def test_an_upload_has_a_sensible_number_of_parts(people, where, n_parts):
    with pytest.raises(Invalid):
        start_upload(place=where, n_parts=n_parts, by_id=people.alice.pk)


def test_a_project_cannot_have_endless_unfinished_uploads(people, where, monkeypatch):
    monkeypatch.setattr(artifact_uploads, "MAX_OPEN_UPLOADS", 2)
    for _ in range(2):
        start_upload(place=where, n_parts=1, by_id=people.alice.pk)
    with pytest.raises(TooMany):
        start_upload(place=where, n_parts=1, by_id=people.alice.pk)


def test_a_file_above_the_limit_or_the_quota_is_refused_and_leaves_no_bytes(
    people, where, sent, settings
):
    upload, parts = sent
    settings.MAX_ARTIFACT_BYTES = 20
    with pytest.raises(TooLarge):
        finish(upload, where, parts, people)
    with pytest.raises(TooLarge):
        send(upload, 1, b"x" * 21)
    settings.MAX_ARTIFACT_BYTES = 1000
    settings.PROJECT_QUOTA_BYTES = 20
    with pytest.raises(StorageFull):
        finish(upload, where, parts, people)
    abort_upload(upload_id=upload.upload_id, place=where)
    assert stored_files() == set()


def test_a_folder_that_was_frozen_meanwhile_takes_no_upload(people, run, where, sent):
    upload, parts = sent
    with write_transaction():
        freeze_folder(people.project.pk, folder_of(run), reason="stars 1", held_by="v:1")
    with pytest.raises(Conflict, match="stars 1"):
        finish(upload, where, parts, people)
    with pytest.raises(Conflict, match="stars 1"):
        start_upload(place=where, n_parts=1, by_id=people.alice.pk)
    assert not Blob.objects.exists()


def test_what_nobody_finished_for_a_day_goes_and_younger_uploads_stay(people, run, where, sent):
    old, _ = sent
    young = start_upload(place=where, n_parts=1, by_id=people.alice.pk)
    send(young, 1, b"young")
    put(people.alice, f"{folder_of(run)}/kept", b"kept")
    ArtifactUpload.objects.filter(pk=old.pk).update(created_at=now() - timedelta(hours=25))
    long_ago_s = time.time() - 25 * 3600
    os.utime(temp_dir() / f"parts-{old.upload_id}", (long_ago_s, long_ago_s))
    clear_abandoned()
    assert [path.name for path in temp_dir().iterdir()] == [f"parts-{young.upload_id}"]
    assert list(ArtifactUpload.objects.all()) == [young]
    assert ArtifactFile.objects.count() == 1

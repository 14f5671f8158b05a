"""The artifact tree: put, replace, list, delete, freeze, quota."""

import threading

import pytest
from django.db import connection

from assets.models import Blob
from assets.services.blobs import discard_unused
from assets.storage import open_blob, write_blob
from experiments.models import ArtifactFile
from experiments.selectors.artifact_places import Place, place_in_model, place_in_run
from experiments.selectors.artifacts import Entry, get_file, list_folder, used_bytes
from experiments.services.artifacts import delete_path, put_file
from experiments.services.frozen_folders import freeze_folder, unfreeze
from platform_site.core.errors import Conflict, Forbidden, Invalid, NotFound, StorageFull
from platform_site.core.transactions import write_transaction
from tests.experiments.artifact_help import (
    caller_of,
    folder_of,
    make_experiment,
    make_model,
    make_run,
    place,
    put,
)
from tests.experiments.dataset_help import stored_files
from tests.people import project_of

pytestmark = pytest.mark.usefixtures("own_store")


@pytest.fixture
def run(people):
    return make_run(people.project)


def content_of(file) -> bytes:
    with open_blob(file.blob.sha256) as stored:
        return stored.read()


def names(place) -> list[str]:
    return [entry.name for entry in list_folder(place)]


def test_a_file_is_found_by_its_path_and_knows_its_run(people, run):
    path = f"{folder_of(run)}/model/MLmodel"
    put(people.alice, path, b"flavors")
    found = get_file(place(people.bob, path, need="read"))
    assert content_of(found) == b"flavors"
    assert (found.run, found.experiment, found.project) == (run, run.experiment, people.project)
    assert found.size_bytes == 7
    assert found.created_by == people.alice


def test_a_file_of_a_logged_model_knows_it(people):
    experiment = make_experiment(people.project)
    model = make_model(experiment)
    file = put(people.alice, f"{experiment.pk}/models/{model.model_id}/artifacts/MLmodel")
    assert (file.logged_model, file.run) == (model, None)
    assert get_file(place_in_model(model, "MLmodel")).pk == file.pk


def test_the_same_path_again_replaces_the_bytes_and_keeps_one_row(people, run):
    path = f"{folder_of(run)}/a.txt"
    put(people.alice, path, b"first")
    put(people.alice, path, b"second")
    assert content_of(ArtifactFile.objects.select_related("blob").get()) == b"second"


def test_a_folder_lists_its_files_and_folders_by_name(people, run):
    for name in ("b.txt", "a/x.txt", "a/y/z.txt", "c d/e.txt", "a.txt", "a0", "B", "%_/x", "é"):
        put(people.alice, f"{folder_of(run)}/{name}", name.encode())
    root = place_in_run(run, "")
    assert list_folder(root) == [
        Entry("%_", is_dir=True, size_bytes=None),
        Entry("B", is_dir=False, size_bytes=1),
        Entry("a", is_dir=True, size_bytes=None),
        Entry("a.txt", is_dir=False, size_bytes=5),
        Entry("a0", is_dir=False, size_bytes=2),
        Entry("b.txt", is_dir=False, size_bytes=5),
        Entry("c d", is_dir=True, size_bytes=None),
        Entry("é", is_dir=False, size_bytes=2),
    ]
    assert names(place_in_run(run, "a")) == ["x.txt", "y"]
    assert names(place_in_run(run, "A")) == []
    assert names(place_in_run(run, "__")) == []
    assert names(place_in_run(run, "b.txt")) == []
    assert names(place_in_run(run, "absent")) == []


def test_listing_asks_as_often_for_many_files_as_for_few(people, run, django_assert_num_queries):
    for number in range(30):
        put(people.alice, f"{folder_of(run)}/d{number}/f.txt")
    with django_assert_num_queries(2):
        assert len(names(place_in_run(run, ""))) == 30


def test_an_absent_file_is_not_found_and_a_folder_is_no_file(people, run):
    put(people.alice, f"{folder_of(run)}/model/a.txt")
    with pytest.raises(NotFound):
        get_file(place_in_run(run, "model/b.txt"))
    with pytest.raises(NotFound):
        get_file(place_in_run(run, "mode"))
    with pytest.raises(Invalid, match="is a folder"):
        get_file(place_in_run(run, "model"))


def test_a_file_cannot_stand_where_a_folder_is_nor_the_reverse(people, run):
    put(people.alice, f"{folder_of(run)}/a/b.txt")
    with pytest.raises(Invalid, match="is a folder"):
        put(people.alice, f"{folder_of(run)}/a", b"new bytes")
    with pytest.raises(Invalid, match="is a file"):
        put(people.alice, f"{folder_of(run)}/a/b.txt/c", b"other new bytes")
    assert ArtifactFile.objects.count() == Blob.objects.count() == 1
    assert len(stored_files()) == 1


def test_deleting_takes_a_file_or_a_whole_folder_and_nothing_beside_it(people, run):
    for name in ("a/x", "a/b/y", "ab", "a0", "A/x"):
        put(people.alice, f"{folder_of(run)}/{name}")
    assert delete_path(place=place_in_run(run, "a")) == 2
    assert names(place_in_run(run, "")) == ["A", "a0", "ab"]
    assert delete_path(place=place_in_run(run, "a")) == 0
    assert delete_path(place=place_in_run(run, "ab")) == 1


def test_bytes_of_a_deleted_file_stay_while_another_file_has_them(people, run):
    put(people.alice, f"{folder_of(run)}/a", b"shared")
    put(people.alice, f"{folder_of(run)}/b", b"shared")
    delete_path(place=place_in_run(run, "a"))
    assert not discard_unused(write_blob([b"shared"]))
    delete_path(place=place_in_run(run, "b"))
    assert discard_unused(write_blob([b"shared"]))


# Whose a path is.


def test_viewers_read_but_do_not_write_and_strangers_learn_nothing(people, run):
    path = f"{folder_of(run)}/a.txt"
    put(people.alice, path)
    assert place(people.bob, path, need="read").run_id == run.pk
    with pytest.raises(Forbidden):
        place(people.bob, path)
    project_of((people.charlie, "administrator"), name="Elsewhere")
    for need in ("read", "write"):
        with pytest.raises(NotFound) as hidden:
            place(people.charlie, path, need=need)
        with pytest.raises(NotFound) as absent:
            place(people.charlie, "999999/x/artifacts/a.txt", need=need)
        assert hidden.value.message == absent.value.message


@pytest.mark.parametrize("number", ["0" * 30 + "7", "9" * 30, "999999"])
def test_a_number_that_no_experiment_has_is_nobodys(people, number):
    with pytest.raises(NotFound):
        place(people.alice, f"{number[:18]}/run/artifacts/a")


def test_any_other_path_is_the_callers_own_projects(people):
    assert place(people.alice, "loose/file.txt") == Place(people.project.pk, "loose/file.txt")


def test_an_experiment_with_a_location_of_its_own_keeps_its_files_there(people):
    experiment = make_experiment(people.project, asked_location="mlflow-artifacts:/team/x")
    run = make_run(experiment=experiment)
    file = put(people.alice, f"team/x/{run.uuid}/artifacts/a.txt")
    assert (file.run, file.project) == (run, people.project)
    assert get_file(place_in_run(run, "a.txt")) == file
    assert place(people.alice, "team/xy/a").experiment_id is None


def test_a_location_that_two_projects_ask_for_is_told_apart_by_the_run(people):
    other = project_of((people.alice, "editor"), name="Planets")
    runs = [
        make_run(experiment=make_experiment(project, asked_location="mlflow-artifacts:/shared"))
        for project in (people.project, other)
    ]
    for run in runs:
        file = put(people.alice, f"shared/{run.uuid}/artifacts/a.txt")
        assert (file.run, file.project) == (run, run.project)


def test_files_that_are_kept_elsewhere_are_not_here(people):
    experiment = make_experiment(people.project, asked_location="s3://bucket/x")
    with pytest.raises(Invalid, match="elsewhere"):
        place_in_run(make_run(experiment=experiment), "a.txt")


def test_a_run_of_another_experiment_does_not_own_the_path(people, run):
    other = make_experiment(people.project, name="Other")
    assert put(people.alice, f"{other.pk}/{run.uuid}/artifacts/a").run is None


# Frozen folders.


@pytest.fixture
def frozen(people, run):
    """The run's model folder, held by a version."""
    put(people.alice, f"{folder_of(run)}/model/MLmodel", b"held")
    with write_transaction():
        freeze_folder(
            people.project.pk, f"{folder_of(run)}/model", reason="stars version 3", held_by="v:3"
        )
    return f"{folder_of(run)}/model"


@pytest.mark.parametrize("name", ["MLmodel", "new.txt", "deep/new.txt"])
def test_a_frozen_folder_takes_no_file(people, frozen, name):
    with pytest.raises(Conflict, match="stars version 3") as caught:
        put(people.alice, f"{frozen}/{name}", b"other")
    assert caught.value.details["held_by"] == "v:3"
    assert len(stored_files()) == 1


@pytest.mark.parametrize("relative", ["model", "model/MLmodel", "", "model/absent"])
def test_nothing_in_a_frozen_folder_can_be_deleted_by_any_path(people, run, frozen, relative):
    with pytest.raises(Conflict, match="stars version 3"):
        delete_path(place=place_in_run(run, relative))
    with pytest.raises(Conflict):
        delete_path(place=place(people.alice, str(run.experiment_id)))
    assert ArtifactFile.objects.filter(path=f"{frozen}/MLmodel").exists()


def test_a_folder_beside_a_frozen_one_is_free(people, run, frozen):
    put(people.alice, f"{folder_of(run)}/model2/a")
    put(people.alice, f"{folder_of(run)}/model.txt")
    assert delete_path(place=place_in_run(run, "model2")) == 1


def test_a_folder_that_two_hold_is_free_when_both_let_go(people, run, frozen):
    with write_transaction():
        freeze_folder(people.project.pk, frozen, reason="stars version 4", held_by="v:4")
        freeze_folder(people.project.pk, frozen, reason="stars version 4", held_by="v:4")
    with write_transaction():
        assert unfreeze("v:3") == 1
    with pytest.raises(Conflict, match="version 4"):
        put(people.alice, f"{frozen}/MLmodel", b"new")
    with write_transaction():
        assert unfreeze("v:4") == 1
    put(people.alice, f"{frozen}/MLmodel", b"new")


# Quota.


def test_a_file_above_the_quota_is_refused_and_leaves_nothing(people, run, settings):
    settings.PROJECT_QUOTA_BYTES = 10
    put(people.alice, f"{folder_of(run)}/a", b"12345678")
    before = stored_files()
    with pytest.raises(StorageFull, match="quota"):
        put(people.alice, f"{folder_of(run)}/b", b"123")
    assert stored_files() == before
    assert ArtifactFile.objects.count() == 1


def test_replacing_a_file_only_counts_the_difference(people, run, settings):
    settings.PROJECT_QUOTA_BYTES = 10
    put(people.alice, f"{folder_of(run)}/a", b"12345678")
    put(people.alice, f"{folder_of(run)}/a", b"1234567890")
    assert used_bytes(people.project.pk) == 10


# At the same time.


def at_once(*works) -> list[Exception | None]:
    """Do the works in threads that begin together; return what each raised."""
    barrier = threading.Barrier(len(works))
    outcomes: list[Exception | None] = [None] * len(works)

    def body(number, work):
        try:
            barrier.wait()
            work()
        except Exception as error:  # noqa: BLE001  # looked at by the test
            outcomes[number] = error
        finally:
            connection.close()

    threads = [
        threading.Thread(target=body, args=(number, work)) for number, work in enumerate(works)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


@pytest.mark.django_db(transaction=True)
def test_uploads_of_one_path_at_once_leave_one_of_the_contents(people, run):
    path = f"{folder_of(run)}/a.txt"
    contents = [f"content {number}".encode() for number in range(6)]
    outcomes = at_once(*(lambda c=c: put(people.alice, path, c) for c in contents))
    assert outcomes == [None] * 6
    assert content_of(ArtifactFile.objects.select_related("blob").get()) in contents


@pytest.mark.django_db(transaction=True)
def test_the_same_bytes_under_many_names_at_once_are_one_blob(people, run):
    outcomes = at_once(
        *(lambda n=n: put(people.alice, f"{folder_of(run)}/{n}", b"same") for n in range(6))
    )
    assert outcomes == [None] * 6
    assert Blob.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_file_and_a_folder_of_one_name_at_once_never_both_exist(people, run):
    for number in range(4):
        name = f"{folder_of(run)}/n{number}"
        outcomes = at_once(
            lambda name=name: put(people.alice, name, b"file"),
            lambda name=name: put(people.alice, f"{name}/inner", b"inner"),
        )
        assert [type(error) for error in outcomes if error is not None] == [Invalid]
    assert ArtifactFile.objects.count() == 4


@pytest.mark.django_db(transaction=True)
def test_upload_and_deletion_at_once_leave_a_whole_file_or_none(people, run):
    path = f"{folder_of(run)}/a.txt"
    put(people.alice, path, b"old")
    outcomes = at_once(
        lambda: put(people.alice, path, b"new"),
        lambda: delete_path(place=place_in_run(run, "a.txt")),
    )
    assert outcomes == [None, None]
    left = ArtifactFile.objects.select_related("blob").first()
    assert left is None or content_of(left) == b"new"


@pytest.mark.django_db(transaction=True)
def test_who_freezes_a_folder_first_keeps_it_as_it_is(people, run):
    for number in range(4):
        folder = f"{folder_of(run)}/m{number}"
        seen: list[bytes] = []
        put(people.alice, f"{folder}/MLmodel", b"old")

        def freeze(folder=folder, number=number, seen=seen):
            with write_transaction():
                freeze_folder(people.project.pk, folder, reason="stars", held_by=f"v:{number}")
                seen.append(content_of(get_file(place(people.alice, f"{folder}/MLmodel"))))

        at_once(freeze, lambda folder=folder: put(people.alice, f"{folder}/MLmodel", b"new"))
        assert content_of(get_file(place(people.alice, f"{folder}/MLmodel"))) == seen[0]


@pytest.mark.django_db(transaction=True)
def test_two_uploads_at_once_cannot_both_take_the_last_room(people, run, settings):
    settings.PROJECT_QUOTA_BYTES = 10
    runs = [run, make_run(people.project)]
    outcomes = at_once(
        *(lambda r=r: put(people.alice, f"{folder_of(r)}/a", r.uuid[:6].encode()) for r in runs)
    )
    assert sorted(type(error).__name__ for error in outcomes) == ["NoneType", "StorageFull"]


def test_a_caller_knows_only_own_projects_locations(people):
    make_experiment(people.project, asked_location="mlflow-artifacts:/team/x")
    elsewhere = project_of((people.charlie, "editor"), name="Elsewhere")
    assert place(people.charlie, "team/x/a.txt") == Place(elsewhere.pk, "team/x/a.txt")
    assert caller_of(people.charlie).visible_projects() == [elsewhere.pk]


def test_a_put_into_a_vanished_place_is_refused_cleanly(people, run):
    stored = write_blob([b"gone"])
    assert discard_unused(stored)
    with pytest.raises(Exception, match="cleaned up"):
        put_file(place=place_in_run(run, "a"), stored=stored, by_id=people.alice.pk)
    assert not ArtifactFile.objects.exists()

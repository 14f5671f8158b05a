"""Searches of runs and experiments against the database."""

from experiments.tracking.database import Database
from experiments.tracking.search.experiments import search_experiments
from experiments.tracking.search.runs import search_runs
from tests.experiments.search_help import experiment_of, run_of


def names(people, experiment, text=None, order_by=(), **more):
    rows, _ = search_runs(
        Database.of_django(), [people.project.pk], [experiment.pk], text, order_by, **more
    )
    return [row.name for row in rows]


def test_clauses_and_order_choose_runs(people):
    experiment = experiment_of(people.project)
    run_of(experiment, people.alice, name="a", metrics={"loss": 0.5}, params={"lr": "0.1"})
    run_of(experiment, people.alice, name="b", metrics={"loss": 0.2}, params={"lr": "0.1"})
    run_of(experiment, people.alice, name="c", metrics={"loss": None}, params={"lr": "0.1"})
    run_of(experiment, people.alice, name="d", params={"lr": "0.1"}, tags={"mlflow.user": "Al"})
    run_of(experiment, people.alice, name="e", params={"lr": "0.2"}, datasets=[("iris", "x", "")])
    assert names(people, experiment, "params.lr = '0.1'", ["metrics.loss"]) == ["b", "a", "c", "d"]
    order = ["metrics.loss DESC"]
    assert names(people, experiment, "params.lr = '0.1'", order) == ["a", "b", "c", "d"]
    assert names(people, experiment, "metrics.loss > 0.3 AND params.lr LIKE '0%'") == ["a"]
    assert names(people, experiment, "tags.`mlflow.user` ILIKE 'AL'") == ["d"]
    assert names(people, experiment, "dataset.name = 'iris'") == ["e"]
    assert names(people, experiment, "metrics.nothing = 1") == []
    assert len(names(people, experiment, "status = 'FINISHED'")) == 5


def test_a_caller_sees_the_runs_of_named_projects_only(people):
    experiment = experiment_of(people.project)
    run_of(experiment, people.alice)
    db = Database.of_django()
    assert search_runs(db, [], [experiment.pk]) == ([], None)
    assert search_runs(db, [people.project.pk + 1], [experiment.pk]) == ([], None)
    assert len(search_runs(db, [people.project.pk], None)[0]) == 1


def test_experiments_are_found_by_name_tag_and_time(people):
    experiment_of(people.project, "alpha", tags={"team": "sky"})
    beta = experiment_of(people.project, "beta")
    db = Database.of_django()

    def found(text, **more):
        return [row.name for row in search_experiments(db, [people.project.pk], text, **more)[0]]

    assert found("name LIKE 'al%'") == ["alpha"]
    assert found("tags.team = 'sky'") == ["alpha"]
    assert found("tag.team IS NULL") == ["beta"]
    assert found(f"experiment_id = '{beta.pk}'") == ["beta"]
    assert found("creation_time > 0", order_by=["name"]) == ["alpha", "beta"]
    assert found("creation_time < 0") == []

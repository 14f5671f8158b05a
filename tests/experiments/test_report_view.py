"""Pages of a run's report, predictions and reasons, through HTTP, as Alice, Bob and Charlie see them."""

import csv
import io
import json
import re

import pyarrow.parquet as pq
import pytest

from experiments.models import Run, RunReport
from experiments.web.metric_words import metric_cards, verdict
from experiments.web.reason_bars import reason_bars
from experiments.web.report_page import caveats
from tests.experiments.training_help import finished_run, queued_run, regression_run

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_store")]

PAGES = ("report/", "report/print/", "predictions/", "try/")


def read(answer) -> bytes:
    return b"".join(answer.streaming_content)


def charts_of(page: str) -> dict:
    found = re.search(r'<script id="report-data" type="application/json">(.*?)</script>', page)
    assert found is not None
    return json.loads(found[1])


def test_members_read_every_page_of_a_finished_run_and_strangers_learn_nothing(people, as_user):
    run = finished_run(people)
    for person in (people.alice, people.bob):
        client = as_user(person)
        for page in PAGES:
            assert client.get(f"/runs/{run.uuid}/{page}").status_code == 200, page
    stranger = as_user(people.charlie)
    for page in (*PAGES, "predictions/export/", "explain/?row=1"):
        assert stranger.get(f"/runs/{run.uuid}/{page}").status_code == 404, page


def test_the_report_shows_figures_with_interval_and_baseline_and_links_each_confusion(
    people, as_user
):
    run = finished_run(people)
    report = RunReport.objects.get(run=run).result
    page = as_user(people.alice).get(f"/runs/{run.uuid}/report/").content.decode()
    for name in ("accuracy", "balanced_accuracy", "macro_f1", "roc_auc", "pr_auc", "log_loss"):
        assert f'data-metric="{name}"' in page
    assert f'baseline <span class="num">{report["metrics"]["accuracy"]["baseline"]:.4g}' in page
    counts = report["confusion_matrix"]["counts"]
    links = re.findall(r"predictions/\?actual=([^&]+)&amp;prediction=([^\"]+)\"", page)
    assert len(links) == sum(1 for row in counts for count in row if count)
    assert ("%3Ddwarf", "%3Ddwarf") in links
    assert "25 % of each class were held out by chance." in page
    assert 'type="range"' in page
    assert len(charts_of(page)["thresholds"]["threshold"]) == 201


def test_a_regression_report_shows_residuals_and_no_confusion(people, as_user):
    run = regression_run(people)
    page = as_user(people.alice).get(f"/runs/{run.uuid}/report/").content.decode()
    for picture in ("fit-chart", "residual-chart", "residual-histogram", "qq-chart"):
        assert f'id="{picture}"' in page
    assert "Confusion matrix" not in page
    table = as_user(people.alice).get(f"/runs/{run.uuid}/predictions/?sort=-error&min_error=0.1")
    assert table.status_code == 200
    assert "Actual − predicted" in table.content.decode()


def test_a_run_that_is_not_done_says_so_instead_of_showing_a_report(people, as_user):
    run = queued_run(people)
    answer = as_user(people.alice).get(f"/runs/{run.uuid}/report/")
    assert answer.status_code == 409
    assert "its report comes when it has ended" in answer.content.decode()


def test_predictions_are_filtered_sorted_and_paged_by_the_engine(people, as_user):
    run = finished_run(people)
    client = as_user(people.alice)
    n_test = RunReport.objects.get(run=run).result["n_test"]
    everything = client.get(f"/runs/{run.uuid}/predictions/?limit=200").context["table"]
    assert len(everything.rows) == n_test
    wrong = client.get(f"/runs/{run.uuid}/predictions/?correct=false").context["table"]
    assert {row.actual != row.prediction for row in wrong.rows} == {True}
    right = client.get(f"/runs/{run.uuid}/predictions/?correct=true&limit=200").context["table"]
    assert len(wrong.rows) + len(right.rows) == n_test
    cell = client.get(f"/runs/{run.uuid}/predictions/?actual=giant&prediction=%3Ddwarf")
    assert {(row.actual, row.prediction) for row in cell.context["table"].rows} <= {
        ("giant", "=dwarf")
    }
    falling = client.get(f"/runs/{run.uuid}/predictions/?sort=-row&limit=5").context["table"]
    numbers = [row.number for row in falling.rows]
    assert numbers == sorted(numbers, reverse=True)
    assert falling.next_url == "?sort=-row&limit=5&offset=5"
    sure = client.get(f"/runs/{run.uuid}/predictions/?min_confidence=0.9&limit=200")
    assert all(row.confidence_percent >= 90 for row in sure.context["table"].rows)
    first = everything.rows[0]
    assert first.reasons, "rows of the report carry their reasons"
    assert f"/datasets/{run.dataset_version.dataset_id}/versions/1/rows/" in first.row_url


MISFITS = [
    ("min_confidence=high", 422, "must be a number"),
    ("correct=perhaps", 422, "must be true or false"),
    ("sort=reasons", 422, "cannot be sorted by"),
    ("limit=0", 400, "limit"),
    ("offset=-1", 400, "offset"),
]


def test_a_filter_that_does_not_fit_is_named_on_the_page(people, as_user):
    run = finished_run(people)
    client = as_user(people.alice)
    for query, status, says in MISFITS:
        answer = client.get(f"/runs/{run.uuid}/predictions/?{query}")
        assert answer.status_code == status, query
        assert says in answer.content.decode()


def test_the_filtered_rows_leave_as_a_csv_without_formulas_and_as_parquet(people, as_user):
    run = finished_run(people)
    client = as_user(people.alice)
    answer = client.get(f"/runs/{run.uuid}/predictions/export/?as=csv&prediction=%3Ddwarf")
    assert answer.headers["Content-Type"].startswith("text/csv")
    assert "attachment" in answer.headers["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(read(answer).decode())))
    assert rows
    assert {row["prediction"] for row in rows} == {"'=dwarf"}
    assert all(row["reasons"] for row in rows)
    assert not any(
        cell.lstrip().startswith(("=", "+", "@")) for row in rows for cell in row.values()
    )
    stored = client.get(f"/runs/{run.uuid}/predictions/export/?as=parquet&prediction=%3Ddwarf")
    table = pq.read_table(io.BytesIO(read(stored)))
    assert len(table) == len(rows)
    assert set(table.column("prediction").to_pylist()) == {"=dwarf"}
    assert client.get(f"/runs/{run.uuid}/predictions/export/?as=xlsx").status_code == 400


def test_rows_without_stored_reasons_are_explained_on_demand(people, as_user):
    run = finished_run(people)
    client = as_user(people.bob)
    page = client.get(f"/runs/{run.uuid}/explain/?row=3&row=0&row=3")
    assert page.status_code == 200
    rows = page.context["rows"]
    assert [row.number for row in rows] == [3, 0]
    assert all(row.reasons and row.probabilities for row in rows)
    part = client.get(f"/runs/{run.uuid}/explain/?row=3", headers={"HX-Request": "true"})
    assert part.content.decode().strip().startswith('<div class="why">')
    for query in ("", "row=120", "row=-1", "row=x", "&".join(f"row={n}" for n in range(21))):
        assert client.get(f"/runs/{run.uuid}/explain/?{query}").status_code == 400, query


def test_typed_values_are_predicted_with_reasons_without_and_with_a_script(people, as_user):
    run = finished_run(people)
    client = as_user(people.bob)
    address = f"/runs/{run.uuid}/try/"
    form = client.get(address).context["try"]
    fields = {field.name: field for field in (*form.first, *form.more)}
    assert {name for name, field in fields.items() if field.choices} == {"colour", "hot"}
    assert fields["size"].input_type == "number"
    assert fields["size"].value, "an example is filled in"
    values = {field.key: field.value for field in fields.values()}
    values[fields["size"].key] = "9.5"
    values[fields["colour"].key] = ""
    plain = client.post(address, values)
    answer = plain.context["try"].answer
    assert (plain.status_code, answer.prediction) == (200, "giant")
    assert answer.reasons[0].feature == "size"
    assert 'value="9.5"' in plain.content.decode()
    part = client.post(address, values, headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in part
    assert "giant" in part
    far = client.post(address, {**values, fields["size"].key: "1000"})
    assert far.context["try"].answer.outside == ["size"]


def test_values_of_the_wrong_type_are_named_and_what_was_typed_stays(people, as_user):
    run = finished_run(people)
    client = as_user(people.alice)
    address = f"/runs/{run.uuid}/try/"
    form = client.get(address).context["try"]
    fields = {field.name: field for field in (*form.first, *form.more)}
    values = {field.key: field.value for field in fields.values()}
    values[fields["size"].key] = "<b>big</b>"
    answer = client.post(address, values)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "is not a number" in page
    assert "&lt;b&gt;big&lt;/b&gt;" in page
    assert "<b>big</b>" not in page
    assert next(f for f in answer.context["try"].first if f.name == "size").error


HOSTILE = "</script><img src=x onerror=alert(1)>"


def test_hostile_names_stay_text_in_report_and_print(people, as_user):
    run = finished_run(people)
    Run.objects.filter(pk=run.pk).update(name=HOSTILE, notes=[HOSTILE, "{{ 7*7 }} {% load log %}"])
    report = RunReport.objects.get(run=run)
    report.result["per_class"][0]["label"] = HOSTILE
    report.result["feature_importance"][0]["feature"] = HOSTILE
    report.save()
    client = as_user(people.alice)
    for page in ("report/", "report/print/"):
        text = client.get(f"/runs/{run.uuid}/{page}").content.decode()
        assert "<img src=x" not in text
        assert "&lt;img src=x" in text
        assert "{{ 7*7 }} {% load log %}" in text


def figure(value, low, high, baseline, *, higher=True):
    return {
        "value": value, "low": low, "high": high, "baseline": baseline, "higher_is_better": higher,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (figure(0.9, 0.85, 0.95, 0.5), "better"),
        (figure(0.4, 0.3, 0.45, 0.5), "worse"),
        (figure(0.55, 0.45, 0.6, 0.5), "unclear"),
        (figure(0.2, 0.1, 0.3, 0.7, higher=False), "better"),
        (figure(0.9, 0.8, 1.0, 0.7, higher=False), "worse"),
        (figure(None, None, None, 0.5), "undefined"),
        (figure(0.9, None, None, None), "alone"),
    ],
)
def test_a_figure_is_only_better_when_its_interval_leaves_the_baseline_out(given, said):
    assert verdict(given) == said


def test_an_undefined_figure_stays_on_the_page_and_says_so():
    card = metric_cards({"roc_auc": figure(None, None, None, 0.5)})[0]
    assert (card.value, card.interval, card.bar) == ("—", "", None)


def result(**changes):
    metrics = {"balanced_accuracy": figure(0.8, 0.75, 0.85, 0.5)}
    return {
        "task": "classification",
        "metrics": metrics,
        "n_test": 1000,
        "complete": True,
        **changes,
    }


def titles(**changes):
    return [caveat.title for caveat in caveats(result(**changes))]


def test_caveats_name_what_could_mislead_and_nothing_else():
    assert titles() == []
    perfect = {"balanced_accuracy": figure(0.999, 0.99, 1.0, 0.5)}
    assert titles(metrics=perfect) == ["Too good to be true?"]
    useless = {"balanced_accuracy": figure(0.5, 0.4, 0.6, 0.5)}
    assert titles(metrics=useless) == ["No better than the baseline"]
    assert titles(complete=False) == ["A partial model"]
    assert titles(n_test=20) == ["Few rows"]
    uneven = [{"label": "a", "support": 900}, {"label": "b", "support": 100}]
    assert titles(per_class=uneven) == ["Uneven classes"]
    one = [{"feature": "leak", "mean": 0.9, "std": 0}, {"feature": "x", "mean": 0.01, "std": 0}]
    assert titles(feature_importance=one) == ["One column decides"]


def test_reason_bars_grow_from_the_middle_by_sign():
    bars = reason_bars(
        [
            {"feature": "a", "value": 1, "unit": "m", "contribution": 0.5, "text": "a"},
            {"feature": "b", "value": None, "unit": "", "contribution": -0.25, "text": "b"},
        ]
    )
    assert [(bar.x, bar.width, bar.is_toward) for bar in bars] == [
        ("50.00", "50.00", True),
        ("25.00", "25.00", False),
    ]
    assert [bar.value for bar in bars] == ["1 m", "—"]

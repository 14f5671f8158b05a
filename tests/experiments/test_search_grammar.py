"""The language of filters and orders: what it takes, what it refuses and how it says so."""

import pytest

from experiments.tracking.search.fields_runs import RUNS
from experiments.tracking.search.grammar import (
    MAX_CLAUSES,
    MAX_FILTER_CHARS,
    MAX_ORDERS,
    parse_filter,
    parse_orders,
)
from experiments.tracking.search.vocabulary import conditions_of, sorts_of
from platform_site.core.errors import Invalid

ACCEPTED = [
    ("metrics.loss > 0.5", [("metrics", "loss", ">", 0.5)]),
    ("metric.loss>=1", [("metric", "loss", ">=", 1)]),
    ("metrics.a<-1.5", [("metrics", "a", "<", -1.5)]),
    ("metrics.a <= 1e3", [("metrics", "a", "<=", 1000.0)]),
    ("metrics.a = 1E-3", [("metrics", "a", "=", 0.001)]),
    ("metrics.a != .5", [("metrics", "a", "!=", 0.5)]),
    ("metrics.a = 5.", [("metrics", "a", "=", 5.0)]),
    ("metrics.1a = 5", [("metrics", "1a", "=", 5)]),
    ("metrics.`val loss` > 0", [("metrics", "val loss", ">", 0)]),
    ('metrics."val/loss" > 0', [("metrics", "val/loss", ">", 0)]),
    ("metrics.`a\"b` > 0", [("metrics", 'a"b', ">", 0)]),
    ("metrics.`a`>0", [("metrics", "a", ">", 0)]),
    ("params.lr = '0.1'", [("params", "lr", "=", "0.1")]),
    ('params.lr="0.1"', [("params", "lr", "=", "0.1")]),
    ("params.lr = ''", [("params", "lr", "=", "")]),
    ("params.lr = 'it''s'", [("params", "lr", "=", "it''s")]),
    ('params.lr = "say ""x"""', [("params", "lr", "=", 'say ""x""')]),
    ("params.lr = 'a\"b'", [("params", "lr", "=", 'a"b')]),
    ("params.lr = 'C:\\'", [("params", "lr", "=", "C:\\")]),
    ("params.lr = 'a AND b = c'", [("params", "lr", "=", "a AND b = c")]),
    ("params.lr = 'line\nline'", [("params", "lr", "=", "line\nline")]),
    ("params.order = 'x' and params.from = 'y'",
     [("params", "order", "=", "x"), ("params", "from", "=", "y")]),
    ("params.AND = 'x'", [("params", "AND", "=", "x")]),
    ("tags.mlflow.parentRunId = 'x'", [("tags", "mlflow.parentRunId", "=", "x")]),
    ("tags.`mlflow.source-name` = 'x'", [("tags", "mlflow.source-name", "=", "x")]),
    ("tags.ключ = 'значение'", [("tags", "ключ", "=", "значение")]),
    ("tags.a LIKE '%x_'", [("tags", "a", "LIKE", "%x_")]),
    ("tags.a ilike 'X'", [("tags", "a", "ILIKE", "X")]),
    ("tags.a IS NULL", [("tags", "a", "IS NULL", None)]),
    ("tags.a is  not\tnull", [("tags", "a", "IS NOT NULL", None)]),
    ("run_id IN ('a')", [(None, "run_id", "IN", ("a",))]),
    ("run_id in('a' ,\"b\",'c' )", [(None, "run_id", "IN", ("a", "b", "c"))]),
    ("attributes.run_id not  in ('a','b')", [("attributes", "run_id", "NOT IN", ("a", "b"))]),
    ("attributes.\"run name\" = 'x'", [("attributes", "run name", "=", "x")]),
    ("`run name` = 'x'", [(None, "run name", "=", "x")]),
    ("run_id IN ('a',)", [(None, "run_id", "IN", ("a",))]),
    ("run_id IN ('a', 'b' , )", [(None, "run_id", "IN", ("a", "b"))]),
    ("tags.'a b' = 'x'", [("tags", "a b", "=", "x")]),
    ("status='RUNNING'AND start_time>5",
     [(None, "status", "=", "RUNNING"), (None, "start_time", ">", 5)]),
    ("  status = 'x'  \n AND\n status != 'y'  ",
     [(None, "status", "=", "x"), (None, "status", "!=", "y")]),
    ("", []),
    ("   \n", []),
    (None, []),
]  # fmt: skip

REFUSED = [
    ("metrics.a", "expected an operator"),
    ("metrics.a >", "expected a number"),
    ("metrics. > 1", "expected a key after 'metrics.'"),
    (".a > 1", "expected the name of a field"),
    ("> 1", "expected the name of a field"),
    ("1", "expected an operator"),
    ("'a' = 'b'", "expected the name of a field"),
    ("metrics.a == 1", "'==' is no operator"),
    ("metrics.a <> 1", "'<>' is no operator"),
    ("metrics.a =! 1", "'=!' is no operator"),
    ("metrics.a === 1", "'===' is no operator"),
    ("metrics.a => 1", "'=>' is no operator"),
    ("metrics.a > nan", "expected a number"),
    ("metrics.a > inf", "expected a number"),
    ("metrics.a > +1", "expected a number"),
    ("metrics.a > -inf", "expected a number"),
    ("metrics.a > 1x", "expected a number"),
    ("metrics.a > 0x10", "expected a number"),
    ("metrics.a > 1_000", "expected a number"),
    ("metrics.a > 1.2.3", "expected a number"),
    ("metrics.a > 1,5", "expected AND or the end"),
    ("metrics.a > " + "1" * 101, "at most 100 characters"),
    ("metrics.a > ٣", "expected a number"),
    ("params.a = b", "expected a number, or a text in quotes"),
    ("params.a = 'b", "expected a number, or a text in quotes"),
    ('params.a = "b', "expected a number, or a text in quotes"),
    ("params.a = `b`", "expected a number, or a text in quotes"),
    ("params.a = 'b'c'", "expected AND or the end"),
    ("params.a-b = 'c'", "needs `…`"),
    ("params.a/b = 'c'", "needs `…`"),
    ("params.a:b = 'c'", "needs `…`"),
    ("params.`a = 'c'", "expected a key after"),
    ("params.`` = 'c'", "expected a key after"),
    ("params a = 'c'", "expected an operator"),
    ("params.a LIKE 5", "LIKE and ILIKE need a text"),
    ("params.a NOT LIKE 'x'", "expected an operator"),
    ("params.a BETWEEN 1 AND 2", "expected an operator"),
    ("params.a RLIKE 'x'", "expected an operator"),
    ("params.a IS 'x'", "expected an operator"),
    ("params.a LIKE '" + "x" * 201 + "'", "at most 200 characters"),
    ("params.a LIKE '%a%a%a%a%a%a%a%a%a%a%'", "at most 10 wildcards"),
    ("params.a ILIKE '%%%%%%%%%%%'", "at most 10 wildcards"),
    ("run_id IN 'a'", "expected a list"),
    ("run_id IN ()", "a list holds texts"),
    ("run_id IN ('a',,)", "a list holds texts"),
    ("run_id IN (,)", "a list holds texts"),
    ("run_id IN ('a' 'b')", "expected ',' or ')'"),
    ("run_id IN ('a', 'b'", "expected ',' or ')'"),
    ("run_id IN (1, 2)", "a list holds texts"),
    ("run_id IN (SELECT id)", "a list holds texts"),
    ("metrics.a > 1 OR metrics.b > 1", "'OR' is not part of the language"),
    ("NOT metrics.a > 1", "'NOT' is not part of the language"),
    ("(metrics.a > 1)", "'(' is not part of the language"),
    ("metrics.a > 1;", "';' is not part of the language"),
    ("metrics.a > 1; DROP TABLE run", "';' is not part of the language"),
    ("metrics.a > 1 -- x", "'--' is not part of the language"),
    ("metrics.a > 1 /* x */", "'/*' is not part of the language"),
    ("metrics.a > 1 metrics.b > 1", "expected AND or the end"),
    ("metrics.a > 1 AND", "expected the name of a field"),
    ("AND metrics.a > 1", "expected an operator"),
    ("metrics.a > 1 AND AND metrics.b > 1", "expected an operator"),
    ("metrics.a > 1ANDmetrics.b > 1", "expected a number"),
    ("metrics.a > 1 ANDmetrics.b > 1", "expected AND or the end"),
    ("run.__class__.__mro__", "expected an operator"),
    ("metrics.a > 0 and __import__('os')", "needs `…`"),
    ("metrics.a > metrics.b", "expected a number"),
    ("metrics.a + 1 > 2", "expected an operator"),
    ("metrics.a > 1\x00", "NUL character"),
    ("params.a = '\ud800'", "not valid Unicode"),
    ("x" * (MAX_FILTER_CHARS + 1), "longer than 20000 characters"),
    (" AND ".join(["metrics.a > 1"] * (MAX_CLAUSES + 1)), "more than 200 clauses"),
]


@pytest.mark.parametrize(("text", "expected"), ACCEPTED)
def test_a_filter_is_read_as_its_clauses(text, expected):
    clauses = parse_filter(text)
    read = [(one.field.prefix, one.field.key, one.operator, one.value) for one in clauses]
    assert read == expected
    assert [type(one[3]) for one in read] == [type(one[3]) for one in expected]


@pytest.mark.parametrize(("text", "reason"), REFUSED)
def test_what_is_no_filter_is_refused_with_the_reason(text, reason):
    with pytest.raises(Invalid) as refusal:
        parse_filter(text)
    assert reason in refusal.value.message
    assert refusal.value.details == {"field": "filter"}
    assert len(refusal.value.message) < 300


def test_a_refusal_names_the_clause():
    with pytest.raises(Invalid) as refusal:
        parse_filter("metrics.a > 1 AND params.b == 'x'")
    assert refusal.value.message == (
        "Clause 2 of filter, params.b ==: '==' is no operator; there are = != > >= < <=."
    )


def test_the_greatest_number_of_clauses_is_read():
    assert len(parse_filter(" AND ".join(["metrics.a > 1"] * MAX_CLAUSES))) == MAX_CLAUSES


@pytest.mark.parametrize(
    "text",
    [
        "params.a = '" + "''" * 9000,
        'params.a = "' + '""' * 9000,
        "a" * 19_000,
        " " * 19_990 + "a",
        "run_id IN (" + "'a'," * 4_900,
        "metrics.`" + "a" * 19_000,
        "metrics.a IS" + " " * 19_000 + "NO",
        "(" * 19_999,
        "params.a = '" + "\\'" * 9_000,
    ],
)
def test_long_nonsense_is_refused_and_not_pondered_over(text):
    # A regular expression that backtracks would run into the suite's limit of time here.
    with pytest.raises(Invalid):
        parse_filter(text)


ORDERS = [
    ("metrics.loss", ("metrics", "loss", True)),
    ("metrics.loss ASC", ("metrics", "loss", True)),
    ("metrics.loss desc", ("metrics", "loss", False)),
    ("  start_time   DESC  ", (None, "start_time", False)),
    ("params.`a b` DESC", ("params", "a b", False)),
    ('tags."a-b"', ("tags", "a-b", True)),
    ("attributes.end_time ASC", ("attributes", "end_time", True)),
    ("metrics.DESC DESC", ("metrics", "DESC", False)),
    ("`run name`", (None, "run name", True)),
]
REFUSED_ORDERS = [
    ("", "expected the name of a field"),
    ("metrics.loss UP", "expected ASC, DESC or nothing"),
    ("metrics.loss ASC DESC", "expected ASC, DESC or nothing"),
    ("metrics.a, metrics.b", "needs `…`"),
    ("metrics.a DESC, metrics.b", "expected ASC, DESC or nothing"),
    ("metrics.a-b", "needs `…`"),
    ("metrics.loss DESC; DROP TABLE x", "expected ASC, DESC or nothing"),
    ("metrics.loss NULLS FIRST", "expected ASC, DESC or nothing"),
    ("random()", "needs `…`"),
    ("1 DESC x", "expected ASC, DESC or nothing"),
    ("x" * 1001, "longer than 1000 characters"),
    ("metrics.`\x00`", "NUL character"),
]


@pytest.mark.parametrize(("text", "expected"), ORDERS)
def test_an_order_is_read_as_key_and_direction(text, expected):
    (order,) = parse_orders([text])
    assert (order.field.prefix, order.field.key, order.ascending) == expected


@pytest.mark.parametrize(("text", "reason"), REFUSED_ORDERS)
def test_what_is_no_order_is_refused_with_the_reason(text, reason):
    with pytest.raises(Invalid) as refusal:
        parse_orders([text])
    assert reason in refusal.value.message
    assert refusal.value.details == {"field": "order_by"}


def test_orders_are_limited_in_number():
    with pytest.raises(Invalid, match="more than 20 keys"):
        parse_orders([f"metrics.m{number}" for number in range(MAX_ORDERS + 1)])


UNKNOWN_TO_RUNS = [
    ("lifecycle_stage = 'active'", "there is no attribute 'lifecycle_stage'"),
    ("1 = 1", "there is no attribute '1'"),
    ("experiment_id = '1'", "there is no attribute 'experiment_id'"),
    ("owner__password = 'x'", "there is no attribute"),
    ("attributes.owner.password = 'x'", "there is no attribute 'owner.password'"),
    ("users.name = 'x'", "there is no 'users.…'"),
    ("Metrics.a = 1", "there is no 'Metrics.…'"),
    ("dataset.source = 'x'", "there is no dataset 'source'"),
    ("metrics.a = '1'", "compared with a number without quotes"),
    ("metrics.a LIKE '1'", "this field takes !=, <, <=, =, >, >=, not LIKE"),
    ("metrics.a IS NULL", "not IS NULL"),
    ("params.a = 1", "compared with a text in quotes"),
    ("params.a > '1'", "not >"),
    ("params.a IN ('1')", "not IN"),
    ("tags.a < '1'", "not <"),
    ("start_time = '5'", "compared with a number"),
    ("start_time IS NULL", "not IS NULL"),
    ("run_name IN ('a')", "not IN"),
    ("status IS NOT NULL", "not IS NOT NULL"),
    ("dataset.name IS NULL", "not IS NULL"),
    ("run_name = 5", "compared with a text in quotes"),
]
UNKNOWN_ORDERS = [
    ("lifecycle_stage", "cannot be ordered by attribute 'lifecycle_stage'"),
    ("datasets.name", "cannot be ordered by dataset"),
    ("experiment__project__secret", "cannot be ordered by attribute"),
    ("-start_time", "expected the name of a field"),
    ("users.name", "there is no 'users.…'"),
]


@pytest.mark.parametrize(("text", "reason"), UNKNOWN_TO_RUNS)
def test_a_search_of_runs_refuses_what_it_does_not_know(text, reason):
    with pytest.raises(Invalid) as refusal:
        conditions_of(text, RUNS)
    assert reason in refusal.value.message
    assert text.split(" ")[0] in refusal.value.message


@pytest.mark.parametrize(("text", "reason"), UNKNOWN_ORDERS)
def test_a_search_of_runs_refuses_orders_it_does_not_know(text, reason):
    with pytest.raises(Invalid) as refusal:
        sorts_of([text], RUNS)
    assert reason in refusal.value.message


@pytest.mark.parametrize(
    "twice", [["metrics.a", "metric.a DESC"], ["start_time", "attributes.created DESC"]]
)
def test_the_same_key_twice_is_refused(twice):
    with pytest.raises(Invalid, match="comes twice"):
        sorts_of(twice, RUNS)


@pytest.mark.parametrize(
    ("prefixes", "rest"),
    [
        (("metric", "metrics"), "a > 1"),
        (("param", "params", "parameter", "parameters"), "a = 'x'"),
        (("tag", "tags"), "a = 'x'"),
        (("attribute", "attributes", "attr", "run"), "run_name = 'x'"),
        (("dataset", "datasets"), "name = 'x'"),
    ],
)
def test_prefixes_have_synonyms(prefixes, rest):
    read = [conditions_of(f"{prefix}.{rest}", RUNS) for prefix in prefixes]
    assert all(one == read[0] for one in read)

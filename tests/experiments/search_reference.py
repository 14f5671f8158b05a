"""What a search of runs must find, said in plain Python over dictionaries, and random searches."""

import operator
from dataclasses import dataclass, field
from functools import cmp_to_key

from hypothesis import strategies as st

from experiments.tracking.search.fields_runs import STATUS_WORDS

TEXTS = [
    "", "a", "A", "ab", "aB", "Ab", "b", "é", "É", "ё", "ß", "*", "a*b", "[x]", "?", "a?b", "a_b",
    "100%", "it''s", "\\", "a\\b", "x\ny", "0", "10", "9", "-", "^a", "]", "日本", "z" * 600,
]  # fmt: skip
NUMBERS = [None, 0.0, -1.5, 0.5, 1.0, 2.0, 1e300, -1e300, 5e-324, float(2**53)]
MOMENTS = [None, 0, 1, 5, -5, 1000, 2**62, -(2**62)]
KEYS = ["k", "k.2", "key three", "mlflow.parentRunId", "from", "é"]
UNKNOWN_KEY = "never used"
SIGNS = {
    "=": operator.eq, "!=": operator.ne, ">": operator.gt, ">=": operator.ge, "<": operator.lt,
    "<=": operator.le,
}  # fmt: skip
STATES = sorted(STATUS_WORDS)
DATASETS = [("iris", "d1", "train"), ("iris", "d2", "test"), ("stars", "d1", ""), ("A", "d3", "a")]


@dataclass
class PlainRun:
    """A run as the reference sees it; NaN is None."""

    uuid: str
    name: str
    status: str
    user_name: str
    start_ms: int | None
    end_ms: int | None
    experiment_id: int
    location: str
    lifecycle: str
    metrics: dict = field(default_factory=dict)
    params: dict = field(default_factory=dict)
    tags: dict = field(default_factory=dict)
    datasets: tuple = ()

    def attribute(self, name):
        return {
            "run_id": self.uuid, "run_name": self.name, "status": STATUS_WORDS[self.status],
            "user_id": self.user_name, "start_time": self.start_ms, "end_time": self.end_ms,
            "artifact_uri": f"{self.location}/{self.uuid}/artifacts",
        }[name]  # fmt: skip


def random_run(pick, number, experiment_id, location):
    def some(values, most=3):
        return {key: pick.choice(values) for key in pick.sample(KEYS, pick.randint(0, most))}

    return PlainRun(
        uuid=f"{pick.getrandbits(128):032x}",
        name=pick.choice(TEXTS[1:-1]) if number % 3 else "same",
        status=pick.choice(STATES),
        user_name=pick.choice(TEXTS[:8]),
        start_ms=pick.choice(MOMENTS),
        end_ms=pick.choice(MOMENTS),
        experiment_id=experiment_id,
        location=location,
        lifecycle=pick.choice(["active", "active", "deleted"]),
        metrics=some(NUMBERS, 5),
        params=some(TEXTS, 5),
        tags=some(TEXTS, 5),
        datasets=tuple(pick.sample(DATASETS, pick.randint(0, 3))),
    )


def like(pattern, text):
    """Whether a LIKE pattern matches; `ends` are the places in the text that it can reach."""
    ends = {0}
    for char in pattern:
        if char == "%":
            ends = set(range(min(ends), len(text) + 1)) if ends else ends
        else:
            ends = {at + 1 for at in ends if at < len(text) and char in ("_", text[at])}
    return len(text) in ends


def text_holds(word, wanted, text):
    if text is None:
        return False
    if word in ("=", "!="):
        return SIGNS[word](text, wanted)
    if word in ("IN", "NOT IN"):
        return (text in wanted) == (word == "IN")
    return like(wanted, text) if word == "LIKE" else like(wanted.lower(), text.lower())


def number_holds(word, wanted, values):
    """`values` is empty when there is none, [None] for NaN."""
    if not values:
        return False
    return word == "!=" if values[0] is None else SIGNS[word](values[0], wanted)


# -- random clauses: the words, and what they mean ---------------------------------------------

texts = st.sampled_from([text for text in TEXTS if len(text) <= 200])
quoted = st.sampled_from(["'", '"'])
pieces = st.lists(st.sampled_from([*"aAbBéÉ%_*?[]x\\", "10", "same"]), max_size=5).map("".join)
patterns = st.one_of(texts, pieces).filter(lambda text: text.count("%") <= 5)
numbers = st.one_of(
    st.sampled_from([value for value in NUMBERS if value is not None]),
    st.integers(-10, 10),
    st.floats(allow_nan=False, allow_infinity=False),
)
words = {
    "sign": st.sampled_from(sorted(SIGNS)),
    "text": st.sampled_from(["=", "!=", "LIKE", "ILIKE"]),
}


def quote(text, mark):
    if mark in text.replace(mark * 2, ""):
        mark = "'" if mark == '"' else '"'
    return f"{mark}{text}{mark}"


def key_text(key, mark):
    return f"{mark}{key}{mark}" if " " in key or mark == "`" else key


@st.composite
def label_clauses(draw, kind):
    key = draw(st.sampled_from([*KEYS, UNKNOWN_KEY]))
    prefix = draw(st.sampled_from([kind, kind + "s"]))
    left = f"{prefix}.{key_text(key, draw(st.sampled_from(['`', chr(34)])))}"
    word = draw(st.sampled_from(["=", "!=", "LIKE", "ILIKE", "IS NULL", "IS NOT NULL"]))
    attribute = f"{kind}s"
    if word in ("IS NULL", "IS NOT NULL"):
        return f"{left} {word}", lambda run: (key in getattr(run, attribute)) == ("NOT" in word)
    wanted = draw(patterns if "LIKE" in word else texts)
    clause = f"{left} {word} {quote(wanted, draw(quoted))}"
    return clause, lambda run: text_holds(word, wanted, getattr(run, attribute).get(key))


@st.composite
def metric_clauses(draw):
    key = draw(st.sampled_from([*KEYS, UNKNOWN_KEY]))
    word, wanted = draw(words["sign"]), draw(numbers)
    clause = f"metrics.`{key}` {word} {wanted!r}"
    return clause, lambda run: number_holds(
        word, wanted, [run.metrics[key]] if key in run.metrics else []
    )


@st.composite
def moment_clauses(draw):
    name, word = draw(st.sampled_from(["start_time", "end_time"])), draw(words["sign"])
    wanted = draw(
        st.one_of(st.sampled_from([value for value in MOMENTS if value is not None]),
                  st.sampled_from([0.5, -0.5, 1e30, -1e30, 10**30, -(10**30), 2**63, -(2**63)]))
    )  # fmt: skip
    clause = f"{name} {word} {wanted!r}"
    return clause, lambda run: number_holds(
        word, wanted, [run.attribute(name)] if run.attribute(name) is not None else []
    )


@st.composite
def attribute_clauses(draw, uuids):
    name = draw(st.sampled_from(["run_id", "run_name", "status", "user_id", "artifact_uri"]))
    left = draw(st.sampled_from([name, f"attributes.{name}", f"run.`{name}`"]))
    if name == "run_name":
        left = draw(st.sampled_from([left, "tags.mlflow.runName"]))
    values = {
        "run_id": st.sampled_from(uuids), "run_name": texts, "user_id": texts,
        "status": st.sampled_from([*STATUS_WORDS.values(), "running", ""]),
        "artifact_uri": st.sampled_from(["s3://b/x", f"s3://b/x/{uuids[0]}/artifacts"]),
    }[name]  # fmt: skip
    if name == "run_id" and draw(st.booleans()):
        word = draw(st.sampled_from(["IN", "NOT IN"]))
        listed = draw(st.lists(values, min_size=1, max_size=4))
        return f"{left} {word} ({', '.join(map(repr, listed))})", (
            lambda run: text_holds(word, listed, run.uuid)
        )
    word = draw(words["text"])
    starts = values.map(lambda text: text[:9] + "%") if name != "run_name" else patterns
    wanted = draw(starts if "LIKE" in word else values)
    clause = f"{left} {word} {quote(wanted, draw(quoted))}"
    return clause, lambda run: text_holds(word, wanted, run.attribute(name))


@st.composite
def dataset_clauses(draw):
    at = draw(st.sampled_from([0, 1, 2]))
    name = ("name", "digest", "context")[at]
    value = st.sampled_from(["iris", "stars", "d1", "d3", "train", "", "a", "A"])
    if draw(st.booleans()):
        word = draw(st.sampled_from(["IN", "NOT IN"]))
        wanted = draw(st.lists(value, min_size=1, max_size=3))
        right = f"({', '.join(map(repr, wanted))})"
    else:
        word = draw(words["text"])
        wanted = draw(value)
        right = quote(wanted, draw(quoted))
    return f"datasets.{name} {word} {right}", (
        lambda run: any(text_holds(word, wanted, dataset[at]) for dataset in run.datasets)
    )


# -- random orders -----------------------------------------------------------------------------

ORDERED = ["run_id", "run_name", "status", "user_id", "start_time", "end_time", "artifact_uri"]


@st.composite
def orders(draw):
    """Return the text of an order, its name and what to sort by: (rank, value), and whether up."""
    ascending = draw(st.booleans())
    direction = "" if ascending and draw(st.booleans()) else (" ASC" if ascending else " desc")
    kind = draw(st.sampled_from(["attribute", "metrics", "params", "tags"]))
    key = draw(st.sampled_from(ORDERED if kind == "attribute" else [*KEYS, UNKNOWN_KEY]))
    if kind == "attribute":
        return f"{key}{direction}", (kind, key), lambda run: ranked(run.attribute(key)), ascending
    text = f"{kind}.`{key}`{direction}"
    return text, (kind, key), lambda run: ranked_label(getattr(run, kind), key), ascending


def ranked(value):
    if value is None:
        return (2, 0)
    return (0, value.encode() if isinstance(value, str) else value)


def ranked_label(labels, key):
    if key not in labels:
        return (2, 0)
    value = labels[key]
    return (1, 0) if value is None else ranked(value)


def in_order(runs, chosen):
    """Sort by rank, then up or down by value; at last the newest start and the id."""
    named = {name for _, name, _, _ in chosen}
    keys = [(key, ascending) for _, _, key, ascending in chosen]
    if ("attribute", "start_time") not in named:
        keys.append((lambda run: ranked(run.start_ms), False))
    keys.append((lambda run: ranked(run.uuid), True))

    def compare(one, other):
        for key, ascending in keys:
            (rank, value), (other_rank, other_value) = key(one), key(other)
            if rank != other_rank:
                return -1 if rank < other_rank else 1
            if value != other_value:
                return -1 if (value < other_value) == ascending else 1
        return 0

    return sorted(runs, key=cmp_to_key(compare))

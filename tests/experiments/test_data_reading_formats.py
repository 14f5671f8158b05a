"""JSON and Parquet uploads (H13, H14, H20, H21): read by content, flat, strict and bounded."""

# ruff: noqa: DTZ001 - stored times have no zone

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from experiments.data.specs import EngineError
from tests.experiments.data_samples import read


def refused(tmp_path, content, **options):
    with pytest.raises(EngineError) as caught:
        read(tmp_path, content, **options)
    assert not (tmp_path / "t.parquet").exists()
    return caught.value


def parquet(tmp_path, table, **options):
    path = tmp_path / "in.bin"
    pq.write_table(table, path, **options)
    return path


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('[{"a": 1, "b": "x"}, {"a": 2.5, "b": null}]', "json_records"),
        ('{"a": 1, "b": "x"}\n{"a": 2.5, "b": null}\n', "json_lines"),
        ('{"a": [1, 2.5], "b": ["x", null]}', "json_columns"),
    ],
)
def test_json_shapes_are_recognised(tmp_path, text, kind):
    table = read(tmp_path, text)
    assert table.schema.file_format == kind
    assert table.values() == {"a": [1.0, 2.5], "b": ["x", None]}


def test_json_types_and_missing_keys(tmp_path):
    text = json.dumps(
        [{"i": 1, "t": True, "d": "2024-01-31"}, {"i": 2, "d": "2024-02-01", "n": 0.5}]
    )
    table = read(tmp_path, text)
    assert table.types == {"i": "integer", "t": "boolean", "d": "datetime", "n": "number"}
    assert table.values()["t"] == [True, None]


def test_h13_nan_is_null_with_a_count_and_infinity_is_counted(tmp_path):
    table = read(tmp_path, '[{"a": NaN}, {"a": Infinity}, {"a": 1.5}]')
    assert table.values()["a"] == [None, float("inf"), 1.5]
    assert table.report["nan_values"] == 1
    assert table.report["infinite_values"] == 1


def test_h13_thirty_digit_integers_are_kept_as_words(tmp_path):
    table = read(tmp_path, '[{"a": 123456789012345678901234567890}, {"a": 1}]')
    assert table.values()["a"] == ["123456789012345678901234567890", "1"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('[{"a": 1, "a": 2}]', "duplicate_key"),
        ("[1, 2]", "not_records"),
        ('"only a word"', "no_data_rows"),
        ("[]", "no_data_rows"),
        ('[{"a": {"b": 1}}]', "nested_value"),
        ('[{"a": [1]}]', "nested_value"),
        ('{"a": [1]}\n{"a": [2]}', "nested_value"),
        ("[" * 100_000, "nested_value"),
        ('[{"a": 1}', "invalid_json"),
        ('[{"a": 1}] extra', "invalid_json"),
        ('[{"a": 1},, {"a": 2}]', "invalid_json"),
        ("[{'a': 1}]", "not_records"),
        ('{"a": [1, 2], "b": [1]}', "ragged_columns"),
        ('[{"a": "x\\u0000y"}]', "nul_character"),
        ('[{"a": "x\\ud800y"}]', "lone_surrogate"),
    ],
)
def test_h13_json_that_is_no_flat_table_is_refused(tmp_path, text, code):
    error = refused(tmp_path, text)
    assert error.code == code or (code in ("no_data_rows", "not_records") and error.code in (
        "invalid_json", "not_records", "no_data_rows"))  # fmt: skip


def test_h13_errors_name_row_and_column(tmp_path):
    error = refused(tmp_path, '[{"a": 1}, {"a": {"deep": 1}}]')
    assert (error.details["row"], error.details["column"]) == (2, "a")
    error = refused(tmp_path, '{"a": 1}\n{"a": tru}\n')
    assert (error.code, error.details["row"], error.details["byte_offset"]) == (
        "invalid_json",
        2,
        15,
    )


def test_json_of_many_chunks_keeps_order(tmp_path):
    lines = "".join(json.dumps({"n": n, "word": "w" * 40}) + "\n" for n in range(45_000))
    assert read(tmp_path, lines).values()["n"] == list(range(45_000))


def test_json_mixed_kinds_become_words(tmp_path):
    table = read(tmp_path, '[{"a": 1}, {"a": "x"}, {"a": true}, {"a": 2.5}]')
    assert table.values()["a"] == ["1", "x", "true", "2.5"]
    assert "mixes" in table.report["notes"][0]


scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False), st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=8),
)  # fmt: skip


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=st.lists(st.fixed_dictionaries({"a": scalars, "b": scalars}), min_size=1, max_size=8))
def test_no_json_value_is_lost(tmp_path, rows):
    table = read(tmp_path, json.dumps(rows))
    assert table.result.n_rows == len(rows)
    for name in ("a", "b"):
        for row, stored in zip(rows, table.values()[name], strict=True):
            want, got = row[name], stored
            if isinstance(got, str) and not isinstance(want, str):
                want = json.dumps(want)
            if table.types[name] == "datetime" and want is not None:
                got = got.isoformat()[: len(want)]
            assert got == want


def test_parquet_types_are_taken_over(tmp_path):
    import datetime as dt

    source = pa.table({
        "i": pa.array([1, None], pa.int16()),
        "f": pa.array([1.5, float("inf")], pa.float32()),
        "b": pa.array([True, None]),
        "d": pa.array([dt.date(2024, 1, 2), None]),
        "z": pa.array([dt.datetime(2024, 1, 2, 12), None], pa.timestamp("ns", "Europe/Berlin")),
        "s": pa.array(["x", "y"]).dictionary_encode(),
        "n": pa.nulls(2),
    })  # fmt: skip
    table = read(tmp_path, parquet(tmp_path, source))
    assert table.types == {
        "i": "integer", "f": "number", "b": "boolean", "d": "datetime", "z": "datetime",
        "s": "category", "n": "text",
    }  # fmt: skip
    assert table.values()["z"][0] == dt.datetime(2024, 1, 2, 12)
    assert table.report["infinite_values"] == 1
    assert table.schema.file_format == "parquet"


def test_h14_cut_empty_and_false_parquet_are_refused(tmp_path):
    whole = parquet(tmp_path, pa.table({"a": list(range(1000))})).read_bytes()
    assert refused(tmp_path, whole[:-20]).code == "invalid_parquet"
    assert refused(tmp_path, whole[: len(whole) // 2]).code == "invalid_parquet"
    assert refused(tmp_path, b"PAR1<html></html>PAR1").code == "invalid_parquet"
    empty = parquet(tmp_path, pa.table({"a": pa.array([], pa.int64())}))
    assert refused(tmp_path, empty).code == "no_data_rows"


def test_h14_a_csv_called_parquet_is_read_as_what_it_is(tmp_path):
    path = tmp_path / "table.parquet.upload.parquet"
    path.write_text("a,b\n1,2\n")
    assert read(tmp_path, path).schema.file_format == "csv"


def test_h14_duplicate_and_nested_columns_are_named(tmp_path):
    twice = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    error = refused(tmp_path, parquet(tmp_path, twice))
    assert (error.code, error.details["column"]) == ("duplicate_column", "a")
    error = refused(tmp_path, parquet(tmp_path, pa.table({"ok": [1], "deep": [[1, 2]]})))
    assert (error.code, error.details["column"]) == ("unsupported_column", "deep")
    big = parquet(tmp_path, pa.table({"u": pa.array([2**63], pa.uint64())}))
    assert refused(tmp_path, big).code == "integer_too_large"


def test_h14_too_many_columns_are_refused(tmp_path):
    wide = pa.table({f"c{n}": [1] for n in range(60)})
    assert refused(tmp_path, parquet(tmp_path, wide), max_columns=50).code == "too_many_columns"


def test_h20_parquet_bombs_stop_at_the_limits(tmp_path):
    zeros = pa.table({"a": pa.array([0] * 2_000_000)})
    path = parquet(tmp_path, zeros, compression="zstd")
    assert path.stat().st_size < 50_000
    assert refused(tmp_path, path, max_expanded_bytes=4_000_000).code == "expanded_too_large"
    assert refused(tmp_path, path, max_cells=1_000_000).code == "too_many_cells"


def test_h20_one_giant_word_repeated_is_measured_before_it_expands(tmp_path):
    words = pa.DictionaryArray.from_arrays(pa.array([0] * 100_000, pa.int32()), ["x" * 90_000])
    path = parquet(tmp_path, pa.table({"a": words}))
    assert path.stat().st_size < 1_000_000
    assert refused(tmp_path, path, max_expanded_bytes=500_000_000).code == "expanded_too_large"
    assert refused(tmp_path, path, max_field_bytes=10_000).code == "field_too_long"


def test_h02_nul_in_parquet_text_is_refused(tmp_path):
    error = refused(tmp_path, parquet(tmp_path, pa.table({"a": ["x", "y\0z"]})))
    assert (error.code, error.details["row"], error.details["column"]) == ("nul_character", 2, "a")


def test_v52_a_url_is_never_opened(tmp_path):
    from pathlib import Path

    from experiments.data.reading import ingest
    from experiments.data.specs import ReadOptions

    for text in ("http://127.0.0.1:1/x.csv", "file:///etc/hostname", "s3://bucket/x"):
        with pytest.raises(FileNotFoundError):
            ingest(
                Path(text), file_name=text, table_path=tmp_path / "t.parquet",
                options=ReadOptions(), on_progress=lambda _f, _s: None, should_stop=lambda: False,
            )  # fmt: skip

"""Stored tables in use: pages of rows, filters, frames for training, differences, exports."""

import csv
import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from experiments.data.bundled import bundled_datasets, write_bundled
from experiments.data.diff import diff_tables
from experiments.data.export import export_rows, safe_cell
from experiments.data.loading import load_frame
from experiments.data.rows import read_rows
from experiments.data.specs import DatasetSchema, EngineError, ReadOptions
from tests.experiments.data_samples import read

TEXT = """i,x,w,t,d
1,2.5,apple,true,2024-01-01
2,,Banana,false,2024-01-02
3,inf,,true,
,-1.5,apple,,2024-01-04T12:00
5,0.5,=SUM(A1),false,2024-01-05
"""


@pytest.fixture
def table(tmp_path):
    return read(tmp_path, TEXT)


def page(table, **payload):
    request = {"table_path": str(table.path), "schema": table.schema.to_json(), **payload}
    return read_rows(json.loads(json.dumps(request)))


def test_a_page_of_rows_is_clean_json(table):
    made = page(table, offset=1, limit=2)
    assert made["total"] == 5
    assert made["row_numbers"] == [1, 2]
    assert made["columns"][0] == {"name": "i", "type": "integer"}
    assert made["rows"] == [
        [2, None, "Banana", False, "2024-01-02T00:00:00"], [3, "Infinity", None, True, None],
    ]  # fmt: skip
    json.dumps(made, allow_nan=False)


def test_pages_past_the_end_are_empty_and_columns_can_be_chosen(table):
    assert page(table, offset=99)["rows"] == []
    assert page(table, columns=["w", "i"], limit=1)["rows"] == [["apple", 1]]


@pytest.mark.parametrize(
    ("column", "descending", "expected"),
    [
        ("x", False, [3, 4, 0, 2, 1]),
        ("x", True, [2, 0, 4, 3, 1]),
        ("w", False, [4, 1, 0, 3, 2]),
        ("t", True, [0, 2, 1, 4, 3]),
        ("d", True, [4, 3, 1, 0, 2]),
    ],
)
def test_sorting_puts_missing_last_and_keeps_order_among_equals(
    table, column, descending, expected
):
    made = page(table, sort={"column": column, "descending": descending})
    assert made["row_numbers"] == expected


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"column": "i", "op": "ge", "value": "2.5"}, [2, 4]),
        ({"column": "i", "op": "eq", "value": 5}, [4]),
        ({"column": "x", "op": "lt", "value": 1}, [3, 4]),
        ({"column": "x", "op": "ne", "value": "2.5"}, [2, 3, 4]),
        ({"column": "w", "op": "contains", "value": "BAN"}, [1]),
        ({"column": "w", "op": "eq", "value": "apple"}, [0, 3]),
        ({"column": "w", "op": "in", "value": ["apple", "Banana"]}, [0, 1, 3]),
        ({"column": "i", "op": "in", "value": "1,3"}, [0, 2]),
        ({"column": "t", "op": "eq", "value": "no"}, [1, 4]),
        ({"column": "d", "op": "gt", "value": "2024-01-02"}, [3, 4]),
        ({"column": "x", "op": "is_null"}, [1]),
        ({"column": "d", "op": "not_null"}, [0, 1, 3, 4]),
        ({"column": "i", "op": "contains", "value": "5"}, [4]),
    ],
)
def test_filters_are_typed_by_their_column(table, item, expected):
    made = page(table, filters=[item])
    assert made["row_numbers"] == expected
    assert made["total"] == len(expected)


def test_filters_combine_with_sort_and_paging(table):
    made = page(
        table, filters=[{"column": "x", "op": "not_null"}, {"column": "i", "op": "not_null"}],
        sort={"column": "i", "descending": True}, offset=1, limit=1,
    )  # fmt: skip
    assert (made["total"], made["row_numbers"]) == (3, [2])


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ({"filters": [{"column": "nope", "op": "eq", "value": 1}]}, "bad_filter"),
        ({"filters": [{"column": "x", "op": "eq", "value": "abc"}]}, "bad_filter"),
        ({"filters": [{"column": "x", "op": "drop table", "value": "1"}]}, "bad_filter"),
        ({"filters": [{"column": "d", "op": "lt", "value": "soon"}]}, "bad_filter"),
        ({"filters": [{"column": "i", "op": "in", "value": []}]}, "bad_filter"),
        ({"filters": [{"column": "i", "op": "eq", "value": {"a": 1}}]}, "bad_filter"),
        ({"filters": [{"column": "i", "op": "eq", "value": 10**30}]}, "bad_filter"),
        ({"sort": {"column": "nope"}}, "bad_sort"),
        ({"columns": ["nope"]}, "unknown_column"),
        ({"limit": 1001}, "bad_page"),
        ({"offset": -1}, "bad_page"),
        ({"offset": "x"}, "bad_page"),
    ],
)
def test_bad_requests_name_the_column(table, payload, code):
    with pytest.raises(EngineError) as caught:
        page(table, **payload)
    assert caught.value.code == code
    if code == "bad_filter":
        assert caught.value.details["column"] in caught.value.message


def test_a_missing_table_is_said_so(table):
    table.path.unlink()
    with pytest.raises(EngineError) as caught:
        page(table)
    assert caught.value.code == "table_missing"


def test_rows_across_row_groups_come_in_the_asked_order(tmp_path):
    big = read(tmp_path, "n,m\n" + "".join(f"{n},{(n * 7919) % 250_000}\n" for n in range(250_000)))
    made = page(big, sort={"column": "m", "descending": True}, offset=10, limit=5)
    assert [row[1] for row in made["rows"]] == [249_989, 249_988, 249_987, 249_986, 249_985]
    assert made["rows"][0][0] == made["row_numbers"][0]
    assert page(big, offset=99_998, limit=4)["rows"][2][0] == 100_000


def test_frames_for_training_have_plain_types(table):
    frame = load_frame(table.path, table.schema)
    assert frame["i"].dtype == np.float64
    assert np.isnan(frame["x"][2])
    assert frame["w"].dtype == object
    assert frame["w"].tolist() == ["apple", "Banana", "__missing__", "apple", "=SUM(A1)"]
    assert frame["t"].tolist()[:3] == [1.0, 0.0, 1.0]
    assert np.isnan(frame["t"][3])
    assert frame["d"][0] == 1704067200.0
    chosen = load_frame(table.path, table.schema, columns=["w", "i"], rows=[4, 0])
    assert list(chosen.columns) == ["w", "i"]
    assert chosen["i"].tolist() == [5.0, 1.0]
    whole = load_frame(table.path, table.schema, columns=["i"], rows=[0, 1])
    assert whole["i"].dtype == np.int64
    with pytest.raises(EngineError, match="nope"):
        load_frame(table.path, table.schema, columns=["nope"])


def differ(tmp_path, old, new):
    one, two = read(tmp_path, old, "old"), read(tmp_path, new, "new")
    return diff_tables(one.path, one.schema, two.path, two.schema)


def test_difference_by_key(tmp_path):
    old = "id,x,gone\n1,a,0\n2,b,0\n3,c,0\n4,,0\n"
    new = "id,x,fresh\n3,c,1\n2,B,1\n5,e,1\n4,,1\n"
    assert differ(tmp_path, old, new) == {
        "rows_added": 1, "rows_removed": 1, "rows_changed": 1, "columns_added": ["fresh"],
        "columns_removed": ["gone"], "type_changes": [], "key": "id",
    }  # fmt: skip


def test_difference_without_key_and_with_changed_types(tmp_path):
    made = differ(tmp_path, "a,b\n1,1\n1,1\n2,1\n", "a,b\n1,1\n2.5,1\n2,1\n1,1\n")
    assert (made["rows_added"], made["rows_removed"], made["rows_changed"]) == (1, 0, 0)
    assert made["type_changes"] == [{"column": "a", "from": "integer", "to": "number"}]
    assert made["key"] is None


def test_equal_tables_do_not_differ(tmp_path):
    made = differ(tmp_path, TEXT, TEXT)
    assert (made["rows_added"], made["rows_removed"], made["rows_changed"]) == (0, 0, 0)


def test_h60_exported_csv_holds_no_formula(tmp_path):
    source = read(
        tmp_path, '=name,n\n=1+1,-5\n+cmd,2\n"  @x",3\n-2.5,4\nplain,5\n"-a",6\n"\t=tab",7\n'
    )
    out = tmp_path / "out.csv"
    assert export_rows(source.path, source.schema, out) == 7
    rows = list(csv.reader(out.open(newline="")))
    assert rows[0] == ["'=name", "n"]
    assert [row[0] for row in rows[1:]] == [
        "'=1+1", "'+cmd", "'  @x", "-2.5", "plain", "'-a", "'\t=tab",
    ]  # fmt: skip
    assert rows[1][1] == "-5"
    assert safe_cell("\r=x") == "'\r=x"


def test_exports_filter_columns_and_write_parquet(tmp_path, table):
    out = tmp_path / "out.parquet"
    n = export_rows(
        table.path, table.schema, out, fmt="parquet", columns=["w"],
        filters=[{"column": "i", "op": "le", "value": 2}],
    )  # fmt: skip
    assert n == 2
    assert pq.read_table(out).to_pydict() == {"w": ["apple", "Banana"]}
    with pytest.raises(EngineError):
        export_rows(table.path, table.schema, tmp_path / "no", fmt="xlsx")
    with pytest.raises(EngineError):
        export_rows(table.path, table.schema, tmp_path / "no", should_stop=lambda: True)
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize("entry", bundled_datasets(), ids=lambda entry: entry["name"])
def test_bundled_sets_are_what_their_entry_says(tmp_path, entry):
    out = tmp_path / entry["file_name"]
    write_bundled(entry["name"], out)
    made = read(tmp_path, out)
    assert (made.result.n_rows, made.result.n_columns) == (entry["n_rows"], entry["n_columns"])
    assert entry["target"] in made.schema.names
    assert all(column.description for column in made.schema.columns)


def test_an_unknown_bundled_set_is_refused(tmp_path):
    with pytest.raises(EngineError, match="iris"):
        write_bundled("boston", tmp_path / "x")


def test_schema_and_options_survive_json(table):
    again = DatasetSchema.from_json(json.loads(json.dumps(table.schema.to_json())))
    assert again == table.schema
    options = ReadOptions(separator=";", null_words=("x",), column_types={"a": "text"})
    assert ReadOptions.from_json(json.loads(json.dumps(options.to_json()))) == options
    with pytest.raises(EngineError):
        ReadOptions(column_types={"a": "money"})


def test_errors_survive_the_way_between_processes():
    import copy

    error = EngineError("bad_filter", "No.", column="x")
    again = copy.copy(error)
    assert again.to_json() == error.to_json()

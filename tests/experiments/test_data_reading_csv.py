"""Delimited text of every shape (H01-H12): what is read, and what is refused with which words."""

# ruff: noqa: DTZ001 - stored times have no zone

import codecs
import csv
import gzip
import io
from datetime import datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from experiments.data.specs import EngineError
from tests.experiments.data_samples import KOI, read


def refused(tmp_path, content, **options):
    with pytest.raises(EngineError) as caught:
        read(tmp_path, content, **options)
    assert not (tmp_path / "t.parquet").exists()
    return caught.value


@pytest.mark.parametrize(
    ("encoded", "name"),
    [
        (codecs.BOM_UTF8 + "näme,b\nü,2\n".encode(), "utf-8-sig"),
        ("näme,b\nü,2\n".encode("utf-16"), "utf-16"),
        ("näme,b\nü,2\n".encode("utf-16-le"), "utf-16-le"),
        ("näme,b\nü,2\n".encode("utf-16-be"), "utf-16-be"),
        ("näme,b\nü,2\n".encode("utf-32"), "utf-32"),
        ("näme,b\nü,2\n".encode("cp1252"), "cp1252"),
    ],
)
def test_h01_encodings_are_detected_decoded_and_shown(tmp_path, encoded, name):
    table = read(tmp_path, encoded)
    assert table.values() == {"näme": ["ü"], "b": [2]}
    assert table.report["encoding"] == name


def test_h01_cyrillic_text_is_recognised(tmp_path):
    text = "имя,город\n" + "Иван,Москва\nМария,Новосибирск\nПётр,Екатеринбург\n" * 20
    table = read(tmp_path, text.encode("cp1251"))
    assert table.values()["город"][0] == "Москва"


def test_h01_latin1_byte_far_behind_the_sample_is_still_decoded(tmp_path):
    rows = "plain,1\n" * 700_000
    table = read(tmp_path, b"a,b\n" + rows.encode() + "Zürich,2\n".encode("latin-1"))
    assert table.report["encoding"] == "cp1252"
    assert table.result.n_rows == 700_001
    assert "Zürich" in table.schema.column("a").levels


def test_h01_broken_utf8_names_the_byte_offset(tmp_path):
    error = refused(tmp_path, "a,b\nü,1\nö,2\nä,3\n".encode() + b"\xff,4\n")
    assert error.code == "undecodable"
    assert error.details["byte_offset"] == 19


def test_h01_broken_utf16_names_the_byte_offset(tmp_path):
    error = refused(tmp_path, "a,b\n1,2\n".encode("utf-16") + b"\x00\xd8\x41\x00")
    assert error.code == "undecodable"
    assert error.details["byte_offset"] == 18


def test_a_declared_encoding_wins_and_an_unknown_one_is_refused(tmp_path):
    assert read(tmp_path, "ä,b\n1,2\n".encode(), encoding="latin-1").schema.names[0] == "Ã¤"
    assert refused(tmp_path, "a\n1\n", encoding="klingon").code == "unknown_encoding"


def test_h02_nul_is_refused_naming_row_and_column(tmp_path):
    error = refused(tmp_path, b"a,b\n1,x\n2,y\x00z\n")
    assert (error.code, error.details["row"], error.details["column"]) == ("nul_character", 2, "b")
    error = refused(tmp_path, b"a,b\x00\n1,2\n")
    assert (error.code, error.details["column"]) == ("nul_character", 2)


def test_h03_extra_field_in_every_row_never_shifts_the_columns(tmp_path):
    error = refused(tmp_path, "a,b\n1,2,3\n4,5,6\n")
    assert error.code == "ragged_rows"
    assert error.details["count"] == 2


def test_h03_empty_extra_field_in_every_row_becomes_an_empty_column(tmp_path):
    table = read(tmp_path, "a,b\n1,2,\n4,5,\n")
    assert table.values() == {"a": [1, 4], "b": [2, 5], "column_3": [None, None]}
    assert table.report["notes"]


def test_h04_ragged_rows_are_counted_and_the_first_five_shown(tmp_path):
    text = "a,b\n" + "1,x\n" * 3 + "2\n3,y,z\n" * 4 + "4,w\n"
    error = refused(tmp_path, text)
    assert error.details["count"] == 8
    assert [item["row"] for item in error.details["first"]] == [4, 5, 6, 7, 8]
    assert "row 4: 1 fields, expected 2" in error.message
    table = read(tmp_path, text, skip_bad_rows=True)
    assert table.result.n_rows == 4
    assert table.report["bad_rows"]["count"] == 8


def test_h05_names_become_safe_and_unique_and_the_mapping_is_shown(tmp_path):
    long = "n" * 10_000
    table = read(tmp_path, f"a,a,a_2,, b ,{long}\n1,2,3,4,5,6\n7,8,9,1,2,3\n", header=True)
    names = table.schema.names
    assert len(set(names)) == 6
    assert names[:2] == ["a", "a_3"]
    assert names[2:5] == ["a_2", "column_4", "b"]
    assert len(names[5]) == 200
    assert {"from": "", "to": "column_4"} in table.report["renamed_columns"]
    assert table.schema.columns[5].original_name == long


@pytest.mark.parametrize("separator", [";", "\t", "|", ","])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_h06_separators_and_line_ends_are_sniffed(tmp_path, separator, line_end):
    text = line_end.join(separator.join(row) for row in (["a", "b"], ["1", "x"], ["2", "y"]))
    table = read(tmp_path, text + line_end)
    assert table.values() == {"a": [1, 2], "b": ["x", "y"]}
    assert table.report["separator"] == separator


def test_h06_preamble_becomes_descriptions_and_units(tmp_path):
    text = (
        "# from somewhere\n# COLUMN a: First thing [km/s]\n# COLUMN b:   Second\n#\na,b\n1,x\n2,y\n"
    )
    table = read(tmp_path, text)
    first, second = table.schema.columns
    assert (first.description, first.unit) == ("First thing", "km/s")
    assert (second.description, second.unit) == ("Second", "")
    assert table.schema.preamble[0] == "from somewhere"
    assert table.report["comment_lines"] == 4
    assert table.schema.comment_prefix == "#"


def test_h06_a_hash_inside_the_data_is_kept(tmp_path):
    assert read(tmp_path, "a,b\n1,x#y\n2,#z\n").values()["b"] == ["x#y", "#z"]


def test_h06_a_commented_header_line_is_the_header(tmp_path):
    assert read(tmp_path, "#id,size\n1,2.5\n2,3.5\n").schema.names == ["id", "size"]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("", "empty_file"),
        ("\n \n\n", "no_data_rows"),
        ("a,b\n", "no_data_rows"),
        ("# only\n# comments\n", "no_data_rows"),
    ],
)
def test_h07_files_without_rows_are_refused(tmp_path, content, code):
    assert refused(tmp_path, content).code == code


def test_h07_one_row_one_column_and_null_columns_are_read(tmp_path):
    assert read(tmp_path, "a\n5\n").values() == {"a": [5]}
    table = read(tmp_path, "a,b\n1,\n2,\n")
    assert table.values()["b"] == [None, None]


def test_header_is_recognised_or_invented(tmp_path):
    assert read(tmp_path, "1,2\n3,4\n").values() == {"column_1": [1, 3], "column_2": [2, 4]}
    assert read(tmp_path, "country,2019,2020\nA,1,2\nB,3,4\n").schema.names[1] == "2019"
    assert read(tmp_path, "x,y\nx,y\nz,y\n", header=False).result.n_rows == 3


def test_h08_leading_zeros_and_real_words_stay_text(tmp_path):
    table = read(tmp_path, "zip,m,w\n00123,1.5,NA\n04567,x,None\n10000,2,ok\n")
    assert table.values()["zip"] == ["00123", "04567", "10000"]
    assert table.values()["m"] == ["1.5", "x", "2"]
    assert table.values()["w"] == [None, None, "ok"]
    assert "None" in table.schema.null_words
    kept = read(tmp_path, "w\nNA\nNone\nok\n", null_words=("",))
    assert kept.values()["w"] == ["NA", "None", "ok"]


def test_h08_a_declared_type_wins_and_a_misfit_names_row_and_column(tmp_path):
    assert (
        read(tmp_path, "a,b\n1,2\n3,4\n", column_types={"a": "category"}).types["a"] == "category"
    )
    error = refused(tmp_path, "a,b\n1,2\nx,4\n", column_types={"a": "integer"})
    assert (error.code, error.details["row"], error.details["column"]) == ("type_mismatch", 2, "a")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('a,b\n"1,000",x\n"2,500.5",y\n', [1000.0, 2500.5]),
        ("a;b\n1.234,5;x\n7,25;y\n", [1234.5, 7.25]),
        ("a;b\n3,5;x\n4,25;y\n", [3.5, 4.25]),
        ("a,b\n$5,x\n$7.50,y\n", [5.0, 7.5]),
        ("a,b\n12%,x\n7.5 %,y\n", [12.0, 7.5]),
        ("a,b\n-€3.50,x\n€4,y\n", [-3.5, 4.0]),
        ("a;b\n1 234,5;x\n12 000,0;y\n", [1234.5, 12000.0]),
        ("a,b\n1e3,x\n-.5,y\n", [1000.0, -0.5]),
    ],
)
def test_h08_number_styles_are_decided_per_column(tmp_path, text, expected):
    table = read(tmp_path, text)
    assert table.types["a"] == "number"
    assert table.values()["a"] == expected


@pytest.mark.parametrize(
    ("words", "first"),
    [
        (["2024-02-01", "2024-03-05"], datetime(2024, 2, 1)),
        (["2024-02-01T10:30:00Z", "2024-03-05T00:00:00+02:00"], datetime(2024, 2, 1, 10, 30)),
        (["31/01/2024", "01/02/2024"], datetime(2024, 1, 31)),
        (["01/31/2024", "02/01/2024"], datetime(2024, 1, 31)),
        (["31.01.2024 08:15", "01.02.2024 09:00"], datetime(2024, 1, 31, 8, 15)),
    ],
)
def test_h08_dates_in_one_format_are_dates(tmp_path, words, first):
    table = read(tmp_path, "d,b\n" + "".join(f"{word},1\n" for word in words))
    assert table.types["d"] == "datetime"
    assert table.values()["d"][0] == first


def test_h08_dates_whose_day_and_month_cannot_be_told_apart_stay_text(tmp_path):
    assert read(tmp_path, "d,b\n01/02/2024,1\n03/04/2024,2\n").types["d"] == "category"


def test_h09_integers_beyond_64_bits_are_kept_as_words(tmp_path):
    table = read(tmp_path, "a,b\n9223372036854775808,1\n-1,2\n18446744073709551616,3\n")
    assert table.values()["a"] == ["9223372036854775808", "-1", "18446744073709551616"]
    edge = read(tmp_path, "a,b\n9223372036854775807,1\n-9223372036854775808,2\n")
    assert edge.values()["a"] == [2**63 - 1, -(2**63)]


def test_h09_infinities_are_counted(tmp_path):
    table = read(tmp_path, "a,b\n1.5,inf\n-Infinity,1\n1e400,2\n")
    assert table.report["infinite_values"] == 3


def test_h10_unclosed_quote_names_the_row(tmp_path):
    error = refused(tmp_path, 'a,b\n1,x\n2,"y\n3,z\n')
    assert (error.code, error.details["row"]) == ("unclosed_quote", 2)


def test_h10_long_fields_and_lines_are_refused_naming_the_row(tmp_path):
    error = refused(tmp_path, "a,b\n1,x\n2," + "y" * 2_000 + "\n", max_field_bytes=1_000)
    assert (error.code, error.details["row"], error.details["column"]) == ("field_too_long", 2, "b")
    error = refused(tmp_path, "a,b\n1,x\n2,y\n" + "z" * 9_000_000, max_line_bytes=4_500_000)
    assert (error.code, error.details["row"]) == ("line_too_long", 3)


def test_h10_quote_open_for_megabytes_is_refused(tmp_path):
    error = refused(tmp_path, 'a,b\n1,"' + "word, word\n" * 800_000)
    assert error.code in ("field_too_long", "unclosed_quote")
    assert error.details["row"] == 1


def test_line_ends_inside_quotes_are_kept(tmp_path):
    table = read(tmp_path, 'a,b\n1,"x\ny, ""z"""\n2,w\n')
    assert table.values()["b"] == ['x\ny, "z"', "w"]


def test_line_end_inside_quotes_where_the_file_is_cut_for_reading(tmp_path):
    filler = "1,plain\n" * 520_000
    text = "a,b\n" + filler + '2,"' + "long\n" * 10_000 + '"\n' + filler
    table = read(tmp_path, text)
    assert table.result.n_rows == 1_040_001
    assert table.report["bad_rows"]["count"] == 0


def test_quoted_line_ends_at_every_cut_do_not_look_like_broken_rows(tmp_path):
    block = '"a\nb",1,"c ""d"" e\n"\n'
    table = read(tmp_path, "x,y,z\n" + block * 400_000)
    assert table.result.n_rows == 400_000
    assert table.types["y"] == "integer"


def test_h11_too_many_columns_are_refused(tmp_path):
    wide = ",".join(f"c{n}" for n in range(10_001)) + "\n" + ",".join("1" * 10_001) + "\n"
    assert refused(tmp_path, wide).code == "too_many_columns"
    table = read(tmp_path, "a,b,c\n1,2,3\n", warn_columns=2)
    assert "wide" in table.report["notes"][0]


def test_too_many_cells_are_refused(tmp_path):
    assert refused(tmp_path, "a,b\n" + "1,2\n" * 100, max_cells=150).code == "too_many_cells"


def test_h12_formula_cells_are_stored_as_they_are(tmp_path):
    table = read(tmp_path, "=cmd|x,b\n=1+1,2\n@a,3\n+c,4\n")
    assert table.schema.names[0] == "=cmd|x"
    assert table.values()["=cmd|x"] == ["=1+1", "@a", "+c"]


def test_h20_gzip_is_read_and_a_bomb_stops_at_the_limit(tmp_path):
    assert read(tmp_path, gzip.compress(b"a,b\n1,2\n")).values() == {"a": [1], "b": [2]}
    bomb = gzip.compress(b"a,b\n" + b"0,0\n" * 8_000_000)
    assert len(bomb) < 100_000
    error = refused(tmp_path, bomb, max_expanded_bytes=10_000_000)
    assert error.code == "expanded_too_large"


def test_h20_cut_gzip_and_stored_size_are_refused(tmp_path):
    cut = gzip.compress(b"a,b\n" + bytes(str(list(range(5000))), "ascii"))[:-30]
    assert refused(tmp_path, cut).code == "broken_gzip"
    assert refused(tmp_path, "a\n1\n2\n", max_stored_bytes=3).code == "file_too_large"


@pytest.mark.parametrize(
    "content",
    [
        b"\x89PNG\r\n\x1a\n" + b"\0" * 50,
        b"\x7fELF\x02\x01",
        b"\x80\x04\x95\x10\x00.",
        b"PK\x03\x04" + b"\0" * 30,
        b"<!DOCTYPE html><html><table>",
        b'<?xml version="1.0"?><svg/>',
        gzip.compress(gzip.compress(b"a\n1\n", mtime=0), mtime=0),
        bytes(range(256)) * 20,
    ],
)
def test_h21_what_is_no_table_is_refused_by_content(tmp_path, content):
    assert refused(tmp_path, content).code in ("unsupported_format", "nul_character", "undecodable")


def test_a_type_guess_that_fails_late_widens_without_losing_a_value(tmp_path):
    n = 12_000
    head = "a,b,c,d,e,f\n" + "".join(f"{i},{i},true,2024-01-01,1.5,\n" for i in range(n))
    table = read(tmp_path, head + "1.5,00123,maybe,soon,n.a.,7\n")
    assert table.types == {
        "a": "number", "b": "text", "c": "category", "d": "category", "e": "category",
        "f": "integer",
    }  # fmt: skip
    last = {name: cells[-1] for name, cells in table.values().items()}
    assert last == {"a": 1.5, "b": "00123", "c": "maybe", "d": "soon", "e": "n.a.", "f": 7}
    assert any("“b”" in note and "00123" in note for note in table.report["notes"])


def test_long_integers_before_a_late_fraction_stay_exact(tmp_path):
    text = "a,b\n" + "90071992547409931,1\n" * 11_000 + "1.5,2\n"
    assert read(tmp_path, text).values()["a"][0] == "90071992547409931"


def test_blanks_after_separators_are_not_part_of_the_words(tmp_path):
    table = read(tmp_path, "a, b, c\n1, x, ?\n2, y, 3.5\n")
    assert table.values() == {"a": [1, 2], "b": ["x", "y"], "c": [None, 3.5]}


def test_reading_can_be_stopped_and_leaves_nothing(tmp_path):
    from experiments.data.reading import ingest
    from experiments.data.specs import ReadOptions

    raw = tmp_path / "raw"
    raw.write_text("a\n1\n")
    with pytest.raises(EngineError) as caught:
        ingest(
            raw, file_name="x", table_path=tmp_path / "t.parquet", options=ReadOptions(),
            on_progress=lambda _f, _s: None, should_stop=lambda: True,
        )  # fmt: skip
    assert caught.value.code == "stopped"
    assert not (tmp_path / "t.parquet").exists()


def test_row_groups_and_row_order(tmp_path):
    import pyarrow.parquet as pq

    table = read(tmp_path, "a,b\n" + "".join(f"{n},x\n" for n in range(250_000)))
    meta = pq.ParquetFile(table.path).metadata
    assert [meta.row_group(n).num_rows for n in range(3)] == [100_000, 100_000, 50_000]
    assert table.values()["a"] == list(range(250_000))


cells = st.one_of(
    st.integers(-(10**20), 10**20).map(str),
    st.floats(allow_nan=False).map(repr),
    st.sampled_from(["", "NA", "true", "no", "2024-01-01", "1,5", "007", " x ", "€5", "1.000,5"]),
    st.text(st.characters(exclude_categories=("Cs", "Cc"), include_characters="\n\t"), max_size=12),
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=st.lists(st.tuples(cells, cells, cells), min_size=1, max_size=12))
def test_every_table_written_by_a_csv_writer_keeps_its_rows(tmp_path, rows):
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerow(["first", "second", "third"])
    writer.writerows(rows)
    table = read(tmp_path, text.getvalue(), header=True, separator=",", column_types={
        "first": "text", "second": "text", "third": "text"}, null_words=("",))  # fmt: skip
    values = table.values()
    assert table.result.n_rows == len(rows)
    for n, name in enumerate(("first", "second", "third")):
        padded = sum(c != c.strip() for row in rows if (c := row[n])) >= 1
        for row, got in zip(rows, values[name], strict=True):
            expected = row[n] or None
            assert got == expected or (padded and (got or "") == row[n].strip())


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(values=st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=20))
def test_every_64_bit_integer_survives(tmp_path, values):
    text = "a,b\n" + "".join(f"{value},x\n" for value in values)
    assert read(tmp_path, text).values()["a"] == values


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(junk=st.binary(min_size=1, max_size=300))
def test_any_bytes_give_a_table_or_a_clear_error(tmp_path, junk):
    found = None
    try:
        read(tmp_path, junk)
    except EngineError as error:
        found = error
    assert found is None or (found.code and found.message)


@pytest.mark.skipif(not KOI.exists(), reason="the KOI table is not here")
def test_koi_is_read_as_nasa_serves_it(tmp_path):
    table = read(tmp_path, KOI)
    assert (table.result.n_rows, table.result.n_columns) == (9564, 49)
    assert table.schema.column("koi_period").unit == "days"
    assert table.schema.column("kepid").description == "KepID"
    assert table.schema.column("koi_disposition").levels == (
        "CANDIDATE", "CONFIRMED", "FALSE POSITIVE",
    )  # fmt: skip
    assert table.types["koi_score"] == "number"
    assert table.types["kepid"] == "integer"

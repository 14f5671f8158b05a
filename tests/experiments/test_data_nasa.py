"""The NASA Exoplanet Archive source against a local service that speaks TAP, and offline."""

import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from experiments.data.nasa import SERVICE_URL, TABLES, download_table
from experiments.data.specs import EngineError
from tests.experiments.data_samples import read

VOTABLE = """<?xml version="1.0" encoding="UTF-8"?>
<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">
 <RESOURCE type="results">
  <INFO name="QUERY_STATUS" value="{status}">{words}</INFO>
  <TABLE>
   <FIELD name="kepid" datatype="int"><DESCRIPTION>KepID</DESCRIPTION></FIELD>
   <FIELD name="kepoi_name" datatype="char" arraysize="*"><DESCRIPTION>KOI Name</DESCRIPTION></FIELD>
   <FIELD name="koi_disposition" datatype="char" arraysize="*"/>
   <FIELD name="koi_period" datatype="double" unit="days">
    <DESCRIPTION>Orbital Period</DESCRIPTION></FIELD>
   <DATA><TABLEDATA>{rows}</TABLEDATA></DATA>
  </TABLE>
 </RESOURCE>
</VOTABLE>"""
ROWS = (
    "<TR><TD>10797460</TD><TD>K00752.01</TD><TD>CONFIRMED</TD><TD>9.488035</TD></TR>"
    "<TR><TD>10811496</TD><TD>K00753.01</TD><TD>CANDIDATE</TD><TD></TD></TR>"
    "<TR><TD>10848459</TD><TD>K00754, x</TD><TD>FALSE POSITIVE</TD><TD>NaN</TD></TR>"
)


@contextmanager
def tap_service(body, status=200):
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            length = int(self.headers.get("Content-Length", 0))
            asked.append((self.path, parse_qs(self.rfile.read(length).decode())))
            data = body.encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-votable+xml")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/TAP", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def download(folder, url, **options):
    return download_table(
        options.pop("name", "koi"),
        folder / "koi.csv",
        service_url=url,
        on_progress=options.pop("on_progress", lambda _fraction, _stage: None),
        should_stop=options.pop("should_stop", lambda: False),
        **options,
    )


def test_a_table_arrives_with_descriptions_and_units(tmp_path):
    with tap_service(VOTABLE.format(status="OK", words="", rows=ROWS)) as (url, asked):
        made = download(tmp_path, url, max_rows=77)
    assert made["n_rows"] == 3
    assert made["target"] == "koi_disposition"
    path, form = asked[0]
    assert path == "/TAP/sync"
    assert form["QUERY"] == ["select * from cumulative"]
    assert form["MAXREC"] == ["77"]
    table = read(tmp_path, tmp_path / "koi.csv")
    assert table.values()["kepid"] == [10797460, 10811496, 10848459]
    assert table.values()["koi_period"] == [9.488035, None, None]
    assert table.values()["kepoi_name"][2] == "K00754, x"
    assert table.schema.column("koi_period").unit == "days"
    assert table.schema.column("koi_period").description == "Orbital Period"


def test_progress_moves_forward(tmp_path):
    seen = []
    with tap_service(VOTABLE.format(status="OK", words="", rows=ROWS)) as (url, _):
        download(tmp_path, url, on_progress=lambda fraction, _stage: seen.append(fraction))
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


def test_offline_says_what_cannot_be_reached_and_what_to_do(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: refused at once
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/TAP"
        with pytest.raises(EngineError) as caught:
            download(tmp_path, url)
    assert caught.value.code == "source_unreachable"
    assert url in caught.value.message
    assert "upload" in caught.value.message
    assert list(tmp_path.iterdir()) == []


def test_a_failing_service_is_unreachable(tmp_path):
    with tap_service("down for maintenance", status=503) as (url, _):
        with pytest.raises(EngineError) as caught:
            download(tmp_path, url)
    assert caught.value.code == "source_unreachable"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (VOTABLE.format(status="ERROR", words="ORA-00942: no such table", rows=""), "ORA-00942"),
        ("<html>please sign in</html>", "VOTable"),
        (VOTABLE.format(status="OK", words="", rows=""), "without rows"),
    ],
)
def test_refusals_and_strange_answers_are_told_in_words(tmp_path, body, words):
    with tap_service(body) as (url, _):
        with pytest.raises(EngineError, match=words) as caught:
            download(tmp_path, url)
    assert caught.value.code == "source_refused"
    assert list(tmp_path.iterdir()) == []


def test_too_much_is_cut_off(tmp_path, monkeypatch):
    monkeypatch.setattr("experiments.data.nasa.MAX_DOWNLOAD_BYTES", 200)
    with tap_service(VOTABLE.format(status="OK", words="", rows=ROWS)) as (url, _):
        with pytest.raises(EngineError) as caught:
            download(tmp_path, url)
    assert caught.value.code == "source_too_large"


def test_a_download_can_be_stopped(tmp_path):
    with pytest.raises(EngineError) as caught:
        download(tmp_path, "http://127.0.0.1:9/TAP", should_stop=lambda: True)
    assert caught.value.code == "stopped"


def test_the_list_names_the_three_tables():
    assert set(TABLES) == {"koi", "k2", "toi"}
    assert SERVICE_URL.startswith("https://exoplanetarchive.ipac.caltech.edu/")
    with pytest.raises(EngineError, match="koi, k2, toi"):
        download(Path(), "http://127.0.0.1:9/TAP", name="kic")

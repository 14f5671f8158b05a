"""Cost of a dataset's first minutes: CSV to typed table plus profile, against pandas' fastest read.

Each side runs in its own process, imports not counted, the best of several rounds in turn; printed
are wall and CPU seconds, the ratio, and the peak memory of the ingesting process.

    python benchmarks/profile_csv.py [--rows 1000000] [--columns 20] [--rounds 3] [--plain]
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))


def write_csv(path: Path, n_rows: int, n_columns: int, *, quoted: bool) -> None:
    import numpy as np
    import pyarrow as pa
    import pyarrow.csv as pacsv

    rng = np.random.default_rng(0)
    words = np.array(["Paris", "Berlin", "Rome", "Oslo", "Athens"])
    codes = np.array([f"c{n:03d}x" for n in range(400)])
    made = {
        "label": np.array(["a", "b", "c"])[rng.integers(0, 3, n_rows)],
        "city": words[rng.integers(0, 5, n_rows)],
        "code": codes[rng.integers(0, 400, n_rows)],
        "flag": np.array(["true", "false"])[rng.integers(0, 2, n_rows)],
    }
    for n in range(3):
        made[f"n{n}"] = rng.integers(0, 10 ** (2 * n + 2), n_rows)
    for n in range(n_columns - len(made)):
        made[f"x{n}"] = np.round(rng.normal(size=n_rows) * 10 ** (n % 4), 5)
    style = "needed" if quoted else "none"
    pacsv.write_csv(pa.table(made), path, pacsv.WriteOptions(quoting_style=style))


def timed(function) -> dict[str, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    function()
    made = {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}
    made["peak_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return made


def child(kind: str, path: Path) -> None:
    import pandas as pd

    from experiments.data.profiling import profile
    from experiments.data.reading import ingest
    from experiments.data.specs import ReadOptions

    def ours() -> None:
        table = path.with_suffix(".parquet")
        result = ingest(
            path, file_name=path.name, table_path=table, options=ReadOptions(),
            on_progress=lambda _f, _s: None, should_stop=lambda: False,
        )  # fmt: skip
        profile(table, result.schema, on_progress=lambda _f, _s: None, should_stop=lambda: False)

    engines = {
        "pandas c": lambda: pd.read_csv(path),
        "pandas pyarrow": lambda: pd.read_csv(path, engine="pyarrow"),
        "ours": ours,
    }
    print(json.dumps(timed(engines[kind])))


def measure(kind: str, path: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--child", kind, "--path", str(path)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(answer.stdout)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--plain", action="store_true", help="do not quote words in the CSV")
    parser.add_argument("--child")
    parser.add_argument("--path", type=Path)
    options = parser.parse_args()
    if options.child:
        child(options.child, options.path)
        return 0
    kinds = ("pandas c", "pandas pyarrow", "ours")
    best: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        write_csv(path, options.rows, options.columns, quoted=not options.plain)
        print(f"{options.rows:,} rows x {options.columns} columns, {path.stat().st_size:,} bytes")
        for _ in range(options.rounds):
            for kind in kinds:
                made = measure(kind, path)
                seen = best.setdefault(kind, made)
                best[kind] = {key: min(seen[key], made[key]) for key in ("wall_s", "cpu_s")} | {
                    "peak_bytes": max(seen["peak_bytes"], made["peak_bytes"])
                }
    for kind, made in best.items():
        peak = made["peak_bytes"] / 1024**2
        print(f"{kind:15} wall {made['wall_s']:.2f} s  CPU {made['cpu_s']:.2f} s  {peak:.0f} MiB")
    fastest = min(("pandas c", "pandas pyarrow"), key=lambda kind: best[kind]["wall_s"])
    wall = best["ours"]["wall_s"] / best[fastest]["wall_s"]
    cpu = best["ours"]["cpu_s"] / best[fastest]["cpu_s"]
    peak = best["ours"]["peak_bytes"] / 1024**2
    print(f"ratio to {fastest}: wall {wall:.2f}, CPU {cpu:.2f} (goal: at most 3)")
    print(f"peak memory {peak:.0f} MiB (goal: at most 1024)")
    return 0 if wall <= 3 and peak <= 1024 else 1


if __name__ == "__main__":
    raise SystemExit(main())

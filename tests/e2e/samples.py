"""Small files that a new user might bring: good, broken, and with names that attack pages."""

import random
from pathlib import Path

KOI = Path(__file__).resolve().parents[3] / "shared" / "data" / "nasa_kepler_koi.csv"
PAYLOADS = (
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(2)>',
    "</script><script>alert(3)</script>",
    "{{7*7}}${alert(4)}",
)
PREAMBLE = """# COLUMN depth: Transit depth [ppm]
# COLUMN period: Orbital period [days]
"""


def stars_csv(rows: int = 600, seed: int = 7) -> str:
    """Return a table whose class follows from two of its columns, with some noise."""
    draw = random.Random(seed)
    lines = ["depth,period,noise,colour,verdict"]
    for _ in range(rows):
        depth, period = draw.uniform(0, 1000), draw.uniform(0.5, 40)
        planet = depth + draw.gauss(0, 90) < 500 and period > 4
        colour = draw.choice(["red", "white", "blue"])
        verdict = "planet" if planet else "star"
        lines.append(f"{depth:.2f},{period:.3f},{draw.gauss(0, 1):.4f},{colour},{verdict}")
    return PREAMBLE + "\n".join(lines) + "\n"


def other_csv(rows: int = 60) -> str:
    """Return a second, smaller table."""
    draw = random.Random(3)
    lines = ["length;weight"]
    lines += [f"{draw.uniform(1, 9):.2f};{draw.uniform(10, 90):.1f}" for _ in range(rows)]
    return "\n".join(lines) + "\n"


def attacking_csv(rows: int = 120) -> str:
    """Return a table whose column names, categories and descriptions are pieces of HTML."""
    draw = random.Random(5)
    quoted = ['"' + text.replace('"', '""') + '"' for text in PAYLOADS]
    lines = [",".join(["size", *quoted[:2], "label"])]
    for _ in range(rows):
        size = draw.uniform(0, 10)
        label = quoted[2] if size > 5 else quoted[3]
        lines.append(f"{size:.3f},{draw.uniform(0, 1):.4f},{draw.choice(quoted)},{label}")
    return "\n".join(lines) + "\n"

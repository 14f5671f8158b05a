#!/usr/bin/env python3
"""Renews or checks the browser libraries in static/vendor (pins: package.json, package-lock.json).

Usage:
    scripts/vendor_frontend.py            install the pinned packages with npm and copy what we serve
    scripts/vendor_frontend.py --check    compare the committed files with their recorded hashes

npm verifies each package against the integrity hash of package-lock.json. Only the files named
below are kept, each library with its licence beside it; static/vendor/manifest.json records
versions, integrity and the SHA-256 of every served file.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENDOR = ROOT / "static" / "vendor"
ICON_LIST = ROOT / "scripts" / "frontend_icons.txt"

# library folder -> {file inside node_modules: name below static/vendor/<folder>/}
FILES: dict[str, dict[str, str]] = {
    "tabler": {
        "@tabler/core/dist/css/tabler.min.css": "tabler.min.css",
        "@tabler/core/dist/css/tabler.rtl.min.css": "tabler.rtl.min.css",
        "@tabler/core/dist/js/tabler.min.js": "tabler.min.js",
        "bootstrap/LICENSE": "LICENSE-bootstrap",
        "@popperjs/core/LICENSE.md": "LICENSE-popper",
    },
    "tabler-icons": {"@tabler/icons/LICENSE": "LICENSE"},
    "htmx": {"htmx.org/dist/htmx.min.js": "htmx.min.js", "htmx.org/LICENSE": "LICENSE"},
    "echarts": {
        "echarts/dist/echarts.esm.min.mjs": "echarts.esm.min.js",
        "echarts/LICENSE": "LICENSE",
        "echarts/NOTICE": "NOTICE",
    },
}
PACKAGES = {
    "tabler": "@tabler/core",
    "tabler-icons": "@tabler/icons",
    "htmx": "htmx.org",
    "echarts": "echarts",
}
SOURCE_MAP_LINE = re.compile(r"\n?(?://# sourceMappingURL=.*|/\*# sourceMappingURL=.*?\*/)\s*$")
# @tabler/core ships no licence file, only this notice in the head of each file.
TABLER_LICENCE = """The MIT License (MIT)

Copyright (c) 2018-2026 The Tabler Authors
Copyright (c) 2018-2026 codecalm.net Paweł Kuna

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in
all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN
THE SOFTWARE.
"""


def build_sprite(icons_dir: Path, names: list[str]) -> str:
    """Return one SVG file with a symbol per icon, drawn in the current text colour.

    Raises:
        SystemExit: a listed icon does not exist in the pinned package.
    """
    symbols = []
    for name in names:
        source = icons_dir / f"{name}.svg"
        if not source.exists():
            sys.exit(f"icon '{name}' of {ICON_LIST.name} does not exist in @tabler/icons")
        body = re.sub(r"<!--.*?-->", "", source.read_text(encoding="utf-8"), flags=re.DOTALL)
        inner = body[body.index(">", body.index("<svg")) + 1 : body.rindex("</svg>")]
        inner = re.sub(r'<path stroke="none" d="M0 0h24v24H0z" fill="none"\s*/>', "", inner)
        inner = re.sub(r"\s*\n\s*", "", inner).replace(" />", "/>")
        symbols.append(
            f'<symbol id="{name}" viewBox="0 0 24 24" fill="none" stroke="currentColor"'
            f' stroke-width="1.75" stroke-linecap="round" stroke-linejoin="round">{inner}</symbol>'
        )
    return '<svg xmlns="http://www.w3.org/2000/svg">\n' + "\n".join(symbols) + "\n</svg>\n"


def read_icon_names() -> list[str]:
    """Return the sorted icon names that pages may use."""
    return sorted(set(ICON_LIST.read_text(encoding="utf-8").split()))


def install(work_dir: Path) -> Path:
    """Install the pinned packages below ``work_dir`` and return their node_modules folder."""
    for name in ("package.json", "package-lock.json"):
        shutil.copy(ROOT / name, work_dir / name)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    subprocess.run(command, cwd=work_dir, check=True)
    return work_dir / "node_modules"


def copy_libraries(node_modules: Path) -> None:
    """Replace static/vendor with the served files of the installed packages."""
    for folder, files in FILES.items():
        target_dir = VENDOR / folder
        shutil.rmtree(target_dir, ignore_errors=True)
        target_dir.mkdir(parents=True)
        for source, target in files.items():
            data = (node_modules / source).read_bytes()
            if target.endswith((".js", ".css")):
                # Without the maps beside them, the hint makes browsers and manifest storage stumble.
                data = SOURCE_MAP_LINE.sub("", data.decode("utf-8")).encode("utf-8") + b"\n"
            (target_dir / target).write_bytes(data)
    (VENDOR / "tabler" / "LICENSE").write_text(TABLER_LICENCE, encoding="utf-8")
    sprite = build_sprite(node_modules / "@tabler/icons/icons/outline", read_icon_names())
    (VENDOR / "tabler-icons" / "sprite.svg").write_text(sprite, encoding="utf-8")


def file_hashes() -> dict[str, str]:
    """Return the SHA-256 of every vendored file by its path below static/vendor."""
    return {
        path.relative_to(VENDOR).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(VENDOR.rglob("*"))
        if path.is_file() and path.name != "manifest.json"
    }


def write_manifest() -> None:
    """Record versions, npm integrity and file hashes in static/vendor/manifest.json."""
    lock = json.loads((ROOT / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    packages = {
        folder: {
            "package": package,
            "version": lock[f"node_modules/{package}"]["version"],
            "licence": lock[f"node_modules/{package}"].get("license", "MIT"),
            "integrity": lock[f"node_modules/{package}"]["integrity"],
        }
        for folder, package in PACKAGES.items()
    }
    manifest = {"packages": packages, "files": file_hashes()}
    text = json.dumps(manifest, indent=2) + "\n"
    (VENDOR / "manifest.json").write_text(text, encoding="utf-8")


def check() -> list[str]:
    """Return the paths whose bytes are not the recorded ones, empty when all is well."""
    recorded = json.loads((VENDOR / "manifest.json").read_text(encoding="utf-8"))["files"]
    found = file_hashes()
    return sorted(p for p in recorded.keys() | found.keys() if recorded.get(p) != found.get(p))


def main() -> int:
    """Run the command line and return the exit status."""
    parser = argparse.ArgumentParser(description="Renew or check static/vendor.")
    parser.add_argument("--check", action="store_true", help="only compare with the manifest")
    if parser.parse_args().check:
        changed = check()
        for path in changed:
            sys.stderr.write(f"static/vendor/{path} is not what manifest.json records\n")
        return 1 if changed else 0
    with tempfile.TemporaryDirectory() as work_dir:
        copy_libraries(install(Path(work_dir)))
    write_manifest()
    sys.stdout.write(f"vendored {len(file_hashes())} files into {VENDOR.relative_to(ROOT)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

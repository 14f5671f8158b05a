"""Rules for everything the browser gets: content security, logical CSS, contrast, vendored files."""

import gettext
import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
from django.contrib.auth.models import AnonymousUser
from django.template.loader import get_template, render_to_string

ROOT = Path(__file__).resolve().parent.parent.parent
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
OWN_CSS = sorted(p for p in (ROOT / "static").rglob("*.css") if "vendor" not in p.parts)
OWN_JS = sorted(p for p in (ROOT / "static").rglob("*.js") if "vendor" not in p.parts)
SPRITE = ROOT / "static" / "vendor" / "tabler-icons" / "sprite.svg"
COMMENT = re.compile(r"\{#.*?#\}|\{% comment.*?%\}.*?\{% endcomment %\}", re.DOTALL)

SCRIPT_TAG = re.compile(r"<script\b([^>]*)>", re.IGNORECASE)
INLINE_STYLE = re.compile(r"<style\b|<[a-z][^>]*\sstyle\s*=", re.IGNORECASE)
HANDLER = re.compile(r"<[a-z][^>]*\s(?:on[a-z]+|hx-on[\w:-]*)\s*=", re.IGNORECASE)
FOREIGN = re.compile(
    r"<(?:script|link|img|iframe|use)\b[^>]*\b(?:src|href)=[\"'](?:https?:)?//", re.I
)
PHYSICAL = re.compile(
    r"(?<![\w-])(?:(?:margin|padding|border)-(?:left|right)|left|right|float|"
    r"border-(?:top|bottom)-(?:left|right)-radius)\s*:(?!\s*none)|text-align\s*:\s*(?:left|right)"
)
# Numbers and logs keep a physical side on purpose: each names the direction it is for.
PHYSICAL_ALLOWED = ('[dir="ltr"]', '[dir="rtl"]', ".log {")


def text_of(path: Path) -> str:
    """Return a template without its comments."""
    return COMMENT.sub("", path.read_text(encoding="utf-8"))


def vendor_script() -> ModuleType:
    """Import scripts/vendor_frontend.py, which is not part of a package."""
    path = ROOT / "scripts" / "vendor_frontend.py"
    spec = importlib.util.spec_from_file_location("vendor_frontend", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_template_needs_nothing_that_the_content_security_policy_forbids(path: Path) -> None:
    text = text_of(path)
    inline = [tag for tag in SCRIPT_TAG.findall(text) if "src=" not in tag and "json" not in tag]
    assert inline == []
    assert INLINE_STYLE.findall(text) == []
    assert HANDLER.findall(text) == []
    assert FOREIGN.findall(text) == []


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_template_compiles(path: Path) -> None:
    assert get_template(path.relative_to(ROOT / "templates").as_posix())


def test_the_rules_for_templates_catch_what_they_name() -> None:
    assert INLINE_STYLE.search('<div class="a" style="width: 3%">')
    assert HANDLER.search('<a href="#" onclick="go()">')
    assert FOREIGN.search('<script src="https://cdn.example/x.js">')
    assert FOREIGN.search('<link rel="stylesheet" href="//cdn.example/x.css">')
    assert PHYSICAL.search("a { margin-left: 1rem; }")
    assert not PHYSICAL.search("a { margin-inline-start: 1rem; inset-inline-end: 0; }")


@pytest.mark.parametrize("path", OWN_CSS, ids=lambda path: str(path.relative_to(ROOT)))
def test_style_sheet_uses_logical_properties(path: Path) -> None:
    lines = re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    physical = [
        line
        for line in lines.splitlines()
        if PHYSICAL.search(line) and not line.startswith(PHYSICAL_ALLOWED)
    ]
    assert physical == []


@pytest.mark.parametrize("path", OWN_JS, ids=lambda path: str(path.relative_to(ROOT)))
def test_script_builds_no_markup_from_strings_and_evaluates_none(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    forbidden = (
        r"\.(?:inner|outer)HTML\b|insertAdjacentHTML|document\.write\b|\beval\(|new Function"
    )
    assert re.findall(forbidden, text) == []


def test_every_icon_that_a_page_names_is_in_the_sprite() -> None:
    known = set(re.findall(r'<symbol id="([^"]+)"', SPRITE.read_text(encoding="utf-8")))
    named: set[str] = set()
    for path in TEMPLATES:
        text = text_of(path)
        named |= set(re.findall(r'components/icon\.html" with name="([\w-]+)"', text))
        named |= set(re.findall(r'components/icon\.html" with name=\w+\|default:"([\w-]+)"', text))
        named |= set(re.findall(r'\b(?:action_)?icon="([\w-]+)"', text))
    for path in OWN_JS:
        named |= set(re.findall(r'\bicon\("([\w-]+)"', path.read_text(encoding="utf-8")))
    assert len(named) > 20
    assert named - known == set()


def test_vendored_files_are_the_recorded_ones_with_their_licences() -> None:
    script = vendor_script()
    assert script.check() == []
    for folder in script.PACKAGES:
        assert list((ROOT / "static" / "vendor" / folder).glob("LICENSE*")), folder


def test_a_changed_vendored_file_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = vendor_script()
    (tmp_path / "htmx").mkdir()
    (tmp_path / "htmx" / "htmx.min.js").write_text("changed", encoding="utf-8")
    (tmp_path / "manifest.json").write_text('{"files": {"gone.js": "00"}}', encoding="utf-8")
    monkeypatch.setattr(script, "VENDOR", tmp_path)
    assert script.check() == ["gone.js", "htmx/htmx.min.js"]


def luminance(colour: str) -> float:
    """Return the relative luminance of ``#rrggbb`` after WCAG 2."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, 1 to 21."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def tokens(theme: int) -> dict[str, str]:
    """Return the colour tokens of the light (0) or dark (1) theme as ``#rrggbb``."""
    text = (ROOT / "static" / "site" / "tokens.css").read_text(encoding="utf-8")
    pairs = re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)", text)
    single = re.findall(r"--([\w-]+): (#\w{6});", text)
    return {name: values[theme] for name, *values in pairs} | dict(single)


TEXT_PAIRS = [
    *((ink, ground) for ink in ("ink", "ink-soft") for ground in ("paper", "surface", "surface-2")),
    ("ink", "surface-3"),
    ("ink-soft", "surface-3"),
    ("gold", "surface"),
    ("gold", "paper"),
    ("gold", "gold-soft"),
    ("gold-ink", "gold"),
    *((tone, f"{tone}-soft") for tone in ("good", "warn", "bad", "info", "calm")),
    *((tone, "surface") for tone in ("good", "warn", "bad", "info")),
    *(("ink", f"{tone}-soft") for tone in ("good", "warn", "bad", "info")),
    ("nav-ink", "nav-bg"),
    ("nav-gold", "nav-bg"),
]


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("pair", TEXT_PAIRS, ids="-on-".join)
def test_text_is_readable_in_both_themes(pair: tuple[str, str], theme: int) -> None:
    colours = tokens(theme)
    assert contrast(colours[pair[0]], colours[pair[1]]) >= 4.5


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_borders_of_inputs_and_marks_of_charts_stand_out(theme: int) -> None:
    colours = tokens(theme)
    marks = ["line-strong", "gold-bright", *(f"chart-{n}" for n in range(1, 9))]
    weak = [name for name in marks if contrast(colours[name], colours["surface"]) < 3]
    assert weak == []


def catalogue() -> gettext.GNUTranslations:
    """Return the compiled Arabic texts."""
    with (ROOT / "locale" / "ar" / "LC_MESSAGES" / "django.mo").open("rb") as file:
        return gettext.GNUTranslations(file)


def test_every_word_of_the_shell_has_an_arabic_translation() -> None:
    known = catalogue()._catalog  # type: ignore[attr-defined]  # no public list of messages
    shell = [p for p in TEMPLATES if p.parent.name in {"templates", "components"}]
    words: set[str] = set()
    for path in shell:
        text = text_of(path)
        words |= set(re.findall(r'\{% translate "([^"]+)"', text))
        words |= set(re.findall(r"\{% translate '([^']+)'", text))
    assert len(words) > 80
    assert words - known.keys() == set()


def test_compiled_translations_are_those_of_the_text_file() -> None:
    compiled = catalogue()
    source = (ROOT / "locale" / "ar" / "LC_MESSAGES" / "django.po").read_text(encoding="utf-8")
    entries = re.findall(r'^msgid "([^"\\]+)"\nmsgstr "([^"\\]+)"$', source, re.MULTILINE)
    assert len(entries) > 100
    stale = [word for word, translation in entries if compiled.gettext(word) != translation]
    assert stale == []


def test_error_pages_render_without_request_or_context() -> None:
    for name in ("400.html", "500.html"):
        text = render_to_string(name)
        assert "<h1" in text
        assert 'data-bs-theme="system"' in text


def test_stranger_sees_the_error_page_without_navigation() -> None:
    assert 'id="site-nav"' not in render_to_string("404.html", {"user": AnonymousUser()})


def test_status_badge_names_the_status_and_escapes_what_it_does_not_know() -> None:
    badge = "components/status_badge.html"
    assert ">Queued<" in render_to_string(badge, {"status": "queued"})
    assert "<img" not in render_to_string(badge, {"status": "<img src=x>"})


def test_progress_of_unknown_size_has_no_value() -> None:
    bar = "components/progress.html"
    assert 'value="37.5"' in render_to_string(bar, {"value": 37.5})
    assert 'value="' not in render_to_string(bar, {"value": None})


def test_toast_text_from_a_user_is_escaped() -> None:
    text = render_to_string(
        "components/toast.html", {"text": "<script>x</script>", "level": "error"}
    )
    assert "<script>" not in text
    assert 'role="alert"' in text

"""Forms of the dataset pages; services check again what matters."""

from typing import Any, Final

from django import forms
from django.utils.translation import gettext_lazy as _

from experiments.models import Dataset

ENCODINGS: Final = [
    ("", _("Detect")),
    ("utf-8", "UTF-8"),
    ("utf-16", "UTF-16"),
    ("cp1252", "Windows-1252 (Western)"),
    ("iso8859-1", "ISO 8859-1 (Latin 1)"),
    ("cp1250", "Windows-1250 (Central European)"),
    ("cp1251", "Windows-1251 (Cyrillic)"),
    ("cp1256", "Windows-1256 (Arabic)"),
    ("gb18030", "GB 18030 (Chinese)"),
    ("shift_jis", "Shift JIS (Japanese)"),
    ("euc_kr", "EUC-KR (Korean)"),
]
SEPARATORS: Final = [
    ("", _("Detect")),
    ("comma", _("Comma ( , )")),
    ("semicolon", _("Semicolon ( ; )")),
    ("tab", _("Tab")),
    ("pipe", _("Pipe ( | )")),
    ("space", _("Space")),
]
DECIMALS: Final = [("", _("Detect")), (".", _("Point (1.5)")), (",", _("Comma (1,5)"))]
HEADERS: Final = [
    ("", _("Detect")),
    ("yes", _("The first row holds names")),
    ("no", _("The first row holds data")),
]


class ReadOptionsForm(forms.Form):
    """How to read a file; everything may be left to detection."""

    encoding = forms.ChoiceField(label=_("Encoding"), choices=ENCODINGS, required=False)
    separator = forms.ChoiceField(label=_("Separator"), choices=SEPARATORS, required=False)
    decimal = forms.ChoiceField(label=_("Decimal mark"), choices=DECIMALS, required=False)
    header = forms.ChoiceField(label=_("Header"), choices=HEADERS, required=False)
    comment_prefix = forms.CharField(
        label=_("Comment lines begin with"), required=False, max_length=10
    )
    null_words = forms.CharField(
        label=_("Words that mean missing"),
        required=False,
        max_length=2000,
        help_text=_("Separated by commas; empty: the usual ones such as NA, null, -."),
    )
    skip_bad_rows = forms.BooleanField(
        label=_("Skip rows with too many or too few fields"),
        required=False,
        help_text=_("They are counted and the first ones are shown."),
    )

    def options(self) -> dict[str, Any]:
        """Return what was declared, in the shape the service takes."""
        data = self.cleaned_data
        words = [word.strip() for word in data["null_words"].split(",") if word.strip()]
        return {
            "encoding": data["encoding"],
            "separator": data["separator"],
            "decimal": data["decimal"],
            "comment_prefix": data["comment_prefix"].strip(),
            "header": {"yes": True, "no": False}.get(data["header"]),
            "null_words": words,
            "skip_bad_rows": data["skip_bad_rows"],
        }


class UploadForm(ReadOptionsForm):
    """An upload of one or more files."""

    name = forms.CharField(
        label=_("Name"),
        required=False,
        max_length=200,
        help_text=_("Empty: the file's name. A name that exists gets the next version."),
    )
    field_order = ("name",)


class ReadAgainForm(ReadOptionsForm):
    """Another reading of stored bytes, possibly under a new name."""

    name = forms.CharField(label=_("Name of the new dataset"), required=False, max_length=200)
    field_order = ("name",)


class DatasetForm(forms.Form):
    """Name and description."""

    name = forms.CharField(label=_("Name"), max_length=200)
    description = forms.CharField(
        label=_("Description"),
        required=False,
        max_length=Dataset._meta.get_field("description").max_length,
        widget=forms.Textarea(attrs={"rows": 6}),
        help_text=_("Where the data come from, what a row is, what to beware of."),
    )


class SourceForm(forms.Form):
    """A table of a source, and what to call it here."""

    source = forms.ChoiceField(choices=[("bundled", "bundled"), ("nasa", "nasa")])
    key = forms.CharField(max_length=60)
    name = forms.CharField(max_length=200, required=False)

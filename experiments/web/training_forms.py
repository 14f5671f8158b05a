"""The training form: Django fields made from the catalogue, values turned into a request."""

from collections.abc import Mapping
from typing import Any, Final

from django import forms
from django.forms.utils import flatatt
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from experiments.training.params import ModelType, ParamSpec
from experiments.training.specs import MAX_SEED, MAX_TIME_LIMIT_S

PREFIX: Final = "hp-"
MIB: Final = 1024 * 1024
VALIDATION_CHOICES: Final = [
    ("stratified", _("Stratified split")),
    ("split", _("Random split")),
    ("kfold", _("k-fold cross-validation")),
    ("group", _("Grouped split")),
    ("time", _("Time-ordered split")),
    ("test_dataset", _("Own test dataset")),
]


class ParamForm(forms.Form):
    """The hyperparameters of one model type for one task."""

    def __init__(self, model_type: ModelType, task: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.model_type = model_type
        self.task = task
        for param in model_type.params_for(task):
            self.fields[PREFIX + param.name] = _field(param, task)

    def simple_fields(self) -> list[forms.BoundField]:
        """Return the fields that everybody sees."""
        return self._fields(advanced=False)

    def advanced_fields(self) -> list[forms.BoundField]:
        """Return the fields for those who know."""
        return self._fields(advanced=True)

    def _fields(self, *, advanced: bool) -> list[forms.BoundField]:
        return [
            self[PREFIX + param.name]
            for param in self.model_type.params_for(self.task)
            if param.advanced == advanced
        ]

    def hyperparameters(self) -> dict[str, Any]:
        """Return the values as the catalogue takes them; only what was filled in."""
        values: dict[str, Any] = {}
        for param in self.model_type.params_for(self.task):
            value = self.cleaned_data.get(PREFIX + param.name)
            if param.type == "boolean":
                values[param.name] = bool(value)
            elif value not in (None, ""):
                values[param.name] = value
            elif param.nullable:
                values[param.name] = None
        return values


def initial_values(model_type: ModelType, task: str, template: str) -> dict[str, Any]:
    """Return what the form shows first: defaults, then the template's own values."""
    chosen: Mapping[str, Any] = model_type.templates.get(template, {})
    return {
        PREFIX + param.name: _shown(chosen.get(param.name, param.default_for(task)))
        for param in model_type.params_for(task)
    }


def _shown(value: Any) -> Any:
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else value


class WholeNumbersField(forms.CharField):
    """Whole numbers separated by commas."""

    def to_python(self, value: Any) -> Any:
        """Return a list of integers.

        Raises:
            ValidationError: for anything else.
        """
        text = super().to_python(value)
        if not text:
            return None
        try:
            return [int(part) for part in str(text).replace(";", ",").split(",") if part.strip()]
        except ValueError as error:
            raise forms.ValidationError(_("Whole numbers separated by commas, please.")) from error


def _field(param: ParamSpec, task: str) -> forms.Field:
    help_text = param.description + (f" ({param.unit})" if param.unit else "")
    shared: dict[str, Any] = {
        "label": param.title,
        "help_text": help_text,
        "required": False,
    }
    if param.type == "boolean":
        return forms.BooleanField(**shared)
    if param.type == "choice":
        words = param.choices_for(task)
        choices: list[tuple[str, Any]] = [(word, word) for word in words]
        if param.nullable:
            choices = [("", _("none")), *choices]
        return forms.ChoiceField(choices=choices, **shared)
    if param.type == "integer_list":
        return WholeNumbersField(**shared)
    low, high = param.minimum, param.maximum
    if param.type == "integer":
        return forms.IntegerField(
            min_value=None if low is None else int(low),
            max_value=None if high is None else int(high),
            **shared,
        )
    number = forms.FloatField(min_value=low, max_value=high, **shared)
    number.widget.attrs["step"] = "any"
    return number


class QuickSelect(forms.Select):
    """A select for hundreds of options; Django's renders a template for each (50 ms for 300)."""

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        """Return the element with its options."""
        chosen = {str(one) for one in self.format_value(value) or ()}
        options = format_html_join(
            "\n",
            "{}",
            (
                (format_html(SELECTED if str(key) in chosen else OPTION, key, label),)
                for key, label in self.choices
            ),
        )
        shown = {"name": name, **self.build_attrs(self.attrs, attrs)}
        return format_html("<select{}>{}</select>", flatatt(shown), options)


OPTION: Final = '<option value="{}">{}</option>'
SELECTED: Final = '<option value="{}" selected>{}</option>'


class TrainingForm(forms.Form):
    """Everything about a training but its hyperparameters."""

    name = forms.CharField(label=_("Name of the run"), max_length=250, required=False)
    experiment = forms.CharField(
        label=_("Experiment"),
        max_length=500,
        required=False,
        help_text=_("Runs that share a word here belong together."),
    )
    register_as = forms.CharField(
        label=_("Register the model as"),
        max_length=200,
        required=False,
        help_text=_("When it has finished, its model becomes the next version under this name."),
    )
    validation = forms.ChoiceField(label=_("How rows are held out"), choices=VALIDATION_CHOICES)
    test_fraction = forms.FloatField(
        label=_("Share held out"), min_value=0.01, max_value=0.9, required=False
    )
    n_folds = forms.IntegerField(label=_("Folds"), min_value=2, max_value=20, required=False)
    group_column = forms.ChoiceField(
        label=_("Column with the groups"), required=False, widget=QuickSelect
    )
    time_column = forms.ChoiceField(
        label=_("Column with the time"), required=False, widget=QuickSelect
    )
    test_dataset = forms.ChoiceField(label=_("Test dataset"), required=False, widget=QuickSelect)
    positive_class = forms.ChoiceField(label=_("Positive class"), required=False)
    seed = forms.IntegerField(label=_("Seed"), min_value=0, max_value=MAX_SEED, required=False)
    time_limit_min = forms.FloatField(
        label=_("Time limit (minutes)"), min_value=0.1, max_value=MAX_TIME_LIMIT_S / 60,
        required=False, help_text=_("Learning ends gracefully and keeps what was learned."),
    )  # fmt: skip
    memory_limit_mib = forms.IntegerField(
        label=_("Memory limit (MiB)"), min_value=64, max_value=2**30, required=False,
        help_text=_("Above it the training fails with this reason; nothing else is affected."),
    )  # fmt: skip

    def __init__(self, choices: Mapping[str, list[tuple[str, str]]], *args: Any, **kw: Any) -> None:
        super().__init__(*args, **kw)
        for field, options in choices.items():
            choice_field = self.fields[field]
            assert isinstance(choice_field, forms.ChoiceField)  # noqa: S101  # declared above
            choice_field.choices = [("", "—"), *options]
        self.fields["time_limit_min"].widget.attrs["step"] = "any"
        self.fields["test_fraction"].widget.attrs["step"] = "0.01"

    def validation_spec(self) -> dict[str, Any]:
        """Return the validation as the specification takes it."""
        values = self.cleaned_data
        spec: dict[str, Any] = {"kind": values["validation"]}
        for name in ("test_fraction", "n_folds", "group_column", "time_column"):
            if values.get(name) not in (None, ""):
                spec[name] = values[name]
        return spec

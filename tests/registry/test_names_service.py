"""Names of registered models: one canonical form that an address can carry."""

import pytest

from platform_site.core.errors import Invalid
from platform_site.core.names import model_name


@pytest.mark.parametrize(
    "name",
    ["../../x", "a/b", "a%2fb", "..", ".", ".hidden", "trailing.", "", "   ", "a\x00b", "a\u200bb",
     "a\u202eb", "x" * 201, "<script>", '"><img src=x>', "a?b", "a#b", "-x", "\ud800"],
)  # fmt: skip
def test_a_model_name_that_no_address_can_carry_is_refused_by_field(name):
    with pytest.raises(Invalid) as refused:
        model_name(name, field="register_as")
    assert refused.value.details["field"] == "register_as"


@pytest.mark.parametrize(
    ("name", "canonical"),
    [("koi", "koi"), ("  koi \t best ", "koi best"), ("e\u0301", "\u00e9"), ("\uff4b\uff4f\uff49", "koi")],
)  # fmt: skip
def test_two_spellings_of_a_model_name_are_one(name, canonical):
    assert model_name(name) == canonical

"""Names of registered models: one canonical form that an address can carry."""

import pytest

from platform_site.core.errors import Invalid
from platform_site.core.names import model_name


@pytest.mark.parametrize(
    "name",
    ["../../x", "a/b", "a%2fb", "a%252fb", "a\uff05%32\uff46b", "a:b", "a\uff1ab", "..", ".", "%2e%2e",
     "trailing.", "trailing%2E", "", "   ", "%20", "a\x00b", "a%00b", "a\u200bb", "a%E2%80%8Bb",
     "a\u202eb", "x" * 257, "</script>", "\ud800"],
)  # fmt: skip
def test_a_model_name_that_no_address_can_carry_is_refused_by_field(name):
    with pytest.raises(Invalid) as refused:
        model_name(name, field="register_as")
    assert refused.value.details["field"] == "register_as"


@pytest.mark.parametrize(
    ("name", "canonical"),
    [("koi", "koi"), ("a%20b", "a b"), ("a%2520b", "a b"), ("50%", "50%"), ("a%zz", "a%zz"),
     ("a%ff", "a%ff"), (".x", ".x"), ("-x", "-x"), ('<b> & "q"?#;', '<b> & "q"?#;'), ("x@y", "x@y"),
     ("e%CC%81", "\u00e9"), ("\uff05\uff12\uff10x", "x"), ("  koi \t best ", "koi best"), ("e\u0301", "\u00e9"), ("\uff4b\uff4f\uff49", "koi")],
)  # fmt: skip
def test_two_spellings_of_a_model_name_are_one(name, canonical):
    assert model_name(name) == canonical

from __future__ import annotations

import pytest

from chroma_search.errors import InvalidConfigError, WrongTypeError
from chroma_search.schema.cmek import Cmek, CmekProvider

RESOURCE = "projects/p/locations/l/keyRings/r/cryptoKeys/k"


def test_a_key_goes_to_json_and_back() -> None:
    cmek = Cmek.gcp(RESOURCE)
    assert cmek.to_dict() == {"gcp": RESOURCE}
    assert Cmek.from_dict(cmek.to_dict()) == Cmek(CmekProvider.GCP, RESOURCE)


@pytest.mark.parametrize(
    ("resource", "valid"),
    [
        (RESOURCE, True),
        ("projects/a.b/locations/x/y/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1", True),
        ("", False),
        ("projects//locations/l/keyRings/r/cryptoKeys/k", False),
        ("projects/p/locations/l/keyRings/r/cryptoKeys/", False),
        ("x" + RESOURCE, False),
        (RESOURCE + "\n", False),
    ],
)
def test_only_the_form_of_the_resource_is_checked(resource: str, valid: bool) -> None:
    assert Cmek.gcp(resource).validate_pattern() is valid


def test_another_provider_and_another_type_are_refused() -> None:
    with pytest.raises(InvalidConfigError, match=r"expected 'gcp', got \['aws'\]"):
        Cmek.from_dict({"aws": "x"})
    with pytest.raises(WrongTypeError, match="to be a str, got int"):
        Cmek.from_dict({"gcp": 5})

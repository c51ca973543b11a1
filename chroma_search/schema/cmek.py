"""Customer-managed encryption keys in a schema: upstream's `Cmek`, carried but not used.

This package keeps the reference with the schema so that a collection can move to and from Chroma Cloud. It does not
encrypt with it; creating a collection that asks for it says so (see `validation.py`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from chroma_search.errors import InvalidConfigError, WrongTypeError

_GCP_RESOURCE = re.compile(r"projects/.+/locations/.+/keyRings/.+/cryptoKeys/.+")


class CmekProvider(str, Enum):
    """Where the key lives."""

    GCP = "gcp"


@dataclass
class Cmek:
    """A key of a cloud provider's key management service.

    Attributes:
        provider: the service; only Google Cloud's is known.
        resource: name of the key there, `projects/../locations/../keyRings/../cryptoKeys/..`.
    """

    provider: CmekProvider
    resource: str

    @classmethod
    def gcp(cls, resource: str) -> Cmek:
        """Return a key of Google Cloud KMS; the name is not checked here (see `validate_pattern`)."""
        return cls(provider=CmekProvider.GCP, resource=resource)

    def validate_pattern(self) -> bool:
        """Tell whether the resource name has the provider's form (not whether the key exists)."""
        return _GCP_RESOURCE.fullmatch(self.resource) is not None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form, `{"gcp": resource}`."""
        return {self.provider.value: self.resource}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Cmek:
        """Read the JSON form.

        Raises:
            WrongTypeError: the resource is no str.
            InvalidConfigError: no known provider.
        """
        if "gcp" not in data:
            raise InvalidConfigError(
                f"Unsupported or missing CMEK provider: expected 'gcp', got {sorted(map(str, data))}",
                path="schema.cmek",
            )
        resource = data["gcp"]
        if not isinstance(resource, str):
            raise WrongTypeError(f"Expected the CMEK gcp resource to be a str, got {type(resource).__name__}")
        return cls.gcp(resource)

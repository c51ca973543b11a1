"""What a client knows of a collection at a server: what the server said when the collection was opened.

As with Chroma, another client's `modify` shows after the collection is opened again; that of this handle at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from copy import deepcopy
from typing import Any
from uuid import UUID

from chroma_search.front.function_cache import RememberedFunction
from chroma_search.requests import Modification
from chroma_search.schema.configuration import CollectionConfig
from chroma_search.schema.index_rules import IndexRules
from chroma_search.schema.schema_form import complete_form


class RemoteFacts:
    """Identity, configuration and schema of a collection at a server.

    Args:
        form: the collection object of the API.
        functions: functions as objects, shared by the collections of a client.
        key_functions: those of single keys that the creator passed.

    Raises:
        KeyError, TypeError, ValueError: the form lacks something.
    """

    def __init__(
        self,
        form: Mapping[str, Any],
        functions: MutableMapping[UUID, RememberedFunction],
        key_functions: Mapping[str, Any] | None = None,
    ) -> None:
        self.id = UUID(form["id"])
        self.name = str(form["name"])
        self.tenant = str(form["tenant"])
        self.database = str(form["database"])
        self.metadata: Mapping[str, Any] | None = form.get("metadata")
        self.config = CollectionConfig.from_json(form["configuration_json"])
        self.functions = functions
        self.store: Callable[[Modification], None] | None = None
        """How a changed configuration reaches the server from a thread that embeds; the backend sets it."""
        self._configuration: Mapping[str, Any] = form["configuration_json"]
        self._schema: Mapping[str, Any] | None = form.get("schema")
        self._rules = IndexRules(self._schema, key_functions)

    @property
    def place(self) -> tuple[str, str]:
        """Tenant and database."""
        return self.tenant, self.database

    def configuration_json(self) -> dict[str, Any]:
        """Return the configuration as the server said it."""
        return deepcopy(dict(self._configuration))

    def schema_json(self) -> dict[str, Any]:
        """Return the schema as the server said it; of a server that says none, what the configuration means."""
        return complete_form(None, self.config) if self._schema is None else deepcopy(dict(self._schema))

    def rules(self) -> IndexRules:
        """Return what the schema says of keys and functions."""
        return self._rules

    def store_function(self, config: CollectionConfig) -> None:
        """Store a configuration whose function was fitted, at the server."""
        assert self.store is not None
        self.store(Modification(config=config, changes={"embedding_function": config.embedding_function}))

    def take(self, changes: Modification) -> None:
        """Note what the server has changed."""
        if changes.name is not None:
            self.name = changes.name
        if changes.metadata is not None:
            self.metadata = changes.metadata
        if changes.config is not None:
            self.config = changes.config
            self._configuration = {**self._configuration, **changes.config.to_json()}

"""The embedding function of a collection, as an object.

A collection stores its function as JSON (name and configuration). Within one process the object itself is kept beside
it: it may have no JSON form, and building it again may load a model. The object counts as long as the stored form is
the one it was kept with; after a change by another client it is built anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chroma_search.embeddings.registry import embedding_function_from_config
from chroma_search.record import record


@record()
class RememberedFunction:
    """A function and the stored form it belongs to.

    Attributes:
        form: JSON form in the collection's configuration, or None.
        function: the object, or None when there is none or it cannot be built.
    """

    form: Mapping[str, Any] | None
    function: Any | None


def current_function(remembered: RememberedFunction | None, form: Mapping[str, Any] | None) -> RememberedFunction:
    """Return what is remembered if it belongs to `form`, else the function built from `form`.

    Warns:
        UserWarning: the function cannot be rebuilt; it is None then.
    """
    if remembered is not None and remembered.form == form:
        return remembered
    return RememberedFunction(form, embedding_function_from_config(form))

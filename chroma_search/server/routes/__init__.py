"""All routes, in the order in which they are tried: those that are called most come first."""

from chroma_search.server.call import Route
from chroma_search.server.routes.collections import COLLECTION_ROUTES
from chroma_search.server.routes.records import RECORD_ROUTES
from chroma_search.server.routes.searches import SEARCH_ROUTES
from chroma_search.server.routes.system import SYSTEM_ROUTES
from chroma_search.server.routes.tenants import TENANT_ROUTES

ROUTES: tuple[Route, ...] = (*RECORD_ROUTES, *SEARCH_ROUTES, *COLLECTION_ROUTES, *TENANT_ROUTES, *SYSTEM_ROUTES)

__all__ = ["ROUTES"]

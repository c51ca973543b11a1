"""Move in, move out: collections as files that other programs read, and their files as collections."""

from chroma_search.exchange.chroma_folder import import_chroma
from chroma_search.exchange.chroma_report import ChromaImportReport
from chroma_search.exchange.exporting import ExportReport, export_collection
from chroma_search.exchange.importing import ImportReport, import_collection

__all__ = [
    "ChromaImportReport",
    "ExportReport",
    "ImportReport",
    "export_collection",
    "import_chroma",
    "import_collection",
]

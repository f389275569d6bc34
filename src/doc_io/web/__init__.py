"""Pages to read and compare what models wrote: read-only, made on the server, for ``doc-io serve`` or any ASGI server."""

from doc_io.web.application import app

__all__ = ["app"]

"""Files of a document: as text to look at, or to download; never as something that a browser runs."""

from __future__ import annotations

from typing import Literal, cast

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from doc_io.commit_record import PARSED_NAME, PROMPT_NAME, RAW_NAME, RECORD_NAME
from doc_io.errors import UnknownDocumentError
from doc_io.ids import is_id
from doc_io.web.address import Links, name_in
from doc_io.web.page import Site

_TEXTS = {RAW_NAME: "raw", PARSED_NAME: "parsed", PROMPT_NAME: "prompt"}
_SANDBOX = "default-src 'none'; sandbox; frame-ancestors 'none'"


def file(site: Site, request: Request, links: Links) -> Response:  # noqa: ARG001 - every page is called the same way
    """A file, by the name that the document's own manifest has for it."""
    doc_id = request.path_params["doc_id"]
    row = site.store.get(doc_id) if is_id(doc_id) else None
    if row is None:
        raise UnknownDocumentError(doc_id=doc_id, docs_root=site.store.docs_root)
    name = name_in(request.path_params["name"])
    headers = {"content-security-policy": _SANDBOX}
    if name in _TEXTS:
        which = cast("Literal['raw', 'parsed', 'prompt']", _TEXTS[name])
        data = site.store.read_bytes(row, which)
        return Response(data, media_type="text/plain; charset=utf-8", headers=headers)
    record = site.store.record(row)
    if name == RECORD_NAME:
        data = site.store.storage.read(f"{row.doc_dir}/{RECORD_NAME}")
        return Response(data, media_type="text/plain; charset=utf-8", headers=headers)
    known = next((each for each in record.files if each == name), None)
    if known is None:
        raise HTTPException(404)
    data = site.store.storage.read(f"{row.doc_dir}/{known}")
    download = {"content-disposition": f'attachment; filename="{known.rpartition("/")[2]}"'}
    return Response(data, media_type="application/octet-stream", headers=headers | download)

"""HTTP on the outside of the Graph surface: decoding requests, writing answers, cutting connections.

Source: graph-api.md sections 6 and 11.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any
from urllib.parse import parse_qsl

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from gateway.sandbox import params
from gateway.sandbox.dispatch import Office
from gateway.sandbox.errors import GraphError, invalid
from gateway.sandbox.messages import NEWEST, OLDEST, Asked, Reply, etag_of, said_version, split_version
from gateway.sandbox.params import Params

LARGEST_PART = 64 * 1024 * 1024
_CALLBACK = re.compile(r"[A-Za-z_$][A-Za-z0-9_$.]{0,99}")
_CACHE = {
    "Cache-Control": "private, no-cache, no-store, must-revalidate",
    "Pragma": "no-cache",
    "Expires": "Sat, 01 Jan 2000 00:00:00 GMT",
    "Vary": "Accept-Encoding",
    "Access-Control-Allow-Origin": "*",
}


async def read_request(request: Request) -> Asked:
    """The call that an HTTP request stands for.

    Raises:
        GraphError: an unreadable body, or a version that never was.
    """
    path = request.scope["path"]
    given, files, size = await _parameters(request)
    version, segments = split_version(path, f"v{OLDEST}.0")
    method = str(given.pop("method", request.method) if request.method == "POST" else request.method).upper()
    if method not in ("GET", "POST", "DELETE", "PUT"):
        raise invalid(f"Unsupported method: {method}")
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    header_token = credentials.strip() if scheme.lower() in ("bearer", "oauth") else None
    host = request.headers.get("host") or request.url.netloc
    return Asked(
        method="POST" if method == "PUT" else method,
        segments=segments,
        version=version,
        base_url=f"{request.url.scheme}://{host}/{version}",
        params=given,
        files=files,
        body_size=size,
        header_token=header_token or None,
        if_none_match=request.headers.get("if-none-match"),
        said=said_version(path),
        world=request.headers.get("x-sandbox-world"),
        headers={name: request.headers[name] for name in ("authorization", "file_offset") if name in request.headers},
        content=await request.body() if _is_upload(request) else b"",
    )


def _is_upload(request: Request) -> bool:
    """Bytes for an upload session: the body is no parameters, whatever its content type says."""
    return request.method == "POST" and "/upload:" in request.scope["path"]


async def _parameters(request: Request) -> tuple[Params, dict[str, Any], int]:
    """Query and body merged; the body wins where both name a parameter."""
    pairs: list[tuple[str, Any]] = parse_qsl(request.url.query, keep_blank_values=True)
    body = await request.body()
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    files: dict[str, Any] = {}
    native: Params = {}
    if _is_upload(request):
        pass
    elif kind == "multipart/form-data":
        try:
            form = await request.form(max_part_size=LARGEST_PART)
        except HTTPException:
            raise invalid("The request body is not valid multipart data") from None
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                files[name] = await value.read()
            else:
                pairs.append((name, value))
        await form.close()
    elif kind == "application/json" and body.strip():
        try:
            native = params.read_json(body)
        except ValueError:
            raise invalid("The request body is not valid JSON") from None
        if not isinstance(native, dict):
            raise invalid("The request body must be a JSON object")
    elif body:
        pairs += parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
    return params.merge(pairs) | native, files, len(body)


def write_reply(office: Office, reply: Reply, asked: Asked | None) -> Response:
    """The HTTP answer: escaped JSON, trace and version headers, ETag on reads."""
    given = {} if asked is None else asked.params
    trace = reply.trace or office.next_trace()
    debug = hashlib.sha512(trace.encode()).hexdigest()
    headers = {
        **_CACHE,
        **reply.headers,
        "x-fb-trace-id": trace,
        "x-fb-request-id": "A" + debug[:22],
        "x-fb-rev": "1019544279",
        "x-fb-debug": debug[:88],
        "facebook-api-version": f"v{NEWEST}.0" if asked is None else asked.version,
    }
    status = reply.status
    content = reply.payload(pretty=str(given.get("pretty", "0")) in ("1", "true"))
    media = reply.content_type
    if asked is not None and asked.method == "GET" and status == 200 and reply.raw is None:
        headers["ETag"] = etag_of(content)
        if asked.if_none_match is not None and headers["ETag"] in asked.if_none_match:
            return Response(None, 304, headers)
    callback = params.text(given, "callback")
    if callback is not None and _CALLBACK.fullmatch(callback) and reply.raw is None:
        content, media = f"/**/ {callback}({content.decode()});".encode(), "text/javascript; charset=UTF-8"
    if str(given.get("suppress_http_code", "0")) in ("1", "true"):
        status = 200
    return Response(content, status, headers | {"Content-Type": media})


def failed(office: Office, error: GraphError) -> Response:
    trace = office.next_trace()
    return write_reply(office, Reply(error.http_status, error.body(trace), trace, dict(error.headers)), None)

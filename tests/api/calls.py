"""Requests to the API in tests."""

import json
from typing import Any

from django.test import Client

V1 = "/api/v1"


def send(client: Client, method: str, path: str, data: Any = None, **headers: str) -> Any:
    """The response to a JSON body."""
    return client.generic(
        method.upper(),
        f"{V1}{path}",
        "" if data is None else json.dumps(data),
        content_type="application/json",
        headers=headers,
    )


def said(client: Client, method: str, path: str, data: Any = None, **headers: str) -> Any:
    """Status and body of the answer."""
    response = send(client, method, path, data, **headers)
    return response.status_code, response.json() if response.content else None

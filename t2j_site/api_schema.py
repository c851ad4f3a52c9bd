"""What every operation of the OpenAPI document says alike: refusals, ETags, examples, tokens."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension

from t2j_site.api_examples import EXAMPLES

V1 = "/api/v1"
# Changes that overwrite what someone else may have changed meanwhile: they heed If-Match.
GUARDED = {
    ("patch", "/datasets/{slug}/"),
    ("delete", "/examples/{id}/"),
    ("put", "/examples/{id}/contract/"),
    ("delete", "/drafts/{id}/"),
    *(
        ("post", f"/drafts/{{id}}/{change}/")
        for change in ("status", "assign", "claim", "release", "adopt")
    ),
    ("patch", "/steps/{id}/"),
    ("delete", "/steps/{id}/"),
    *(
        ("post", f"/steps/{{id}}/{change}/")
        for change in ("move", "merge", "split", "code", "settle", "unsettle")
    ),
    ("patch", "/webhooks/{id}/"),
    ("post", "/experiments/{slug}/limit/"),
}
METHODS = ("get", "post", "put", "patch", "delete")
# How it is refused: sentences under `detail`, or under the name of the field that they are about.
REFUSAL = {
    "type": "object",
    "description": "Why something was refused, in sentences for a person",
    "properties": {
        "detail": {"type": "string"},
        "head": {
            "type": "integer",
            "description": "Number of the newest revision, when the base was an old one",
        },
    },
    "additionalProperties": True,
}
WAITS = {
    "Retry-After": {
        "description": "Seconds until there are more requests",
        "schema": {"type": "integer"},
    }
}
TAG = {"ETag": {"description": "Names this state of the record", "schema": {"type": "string"}}}


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "curation.token_auth.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "`Authorization: Bearer …`; the page “Your tokens” makes them",
        }


def complete(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """Add to every operation what the settings, and not its own view, decide."""
    schemas = result["components"]["schemas"]
    schemas["Refusal"] = REFUSAL
    for name, example in EXAMPLES.items():
        schemas[name]["examples"] = [example]
    for path, methods in result["paths"].items():
        for method in METHODS:
            if method in methods:
                _complete(path, method, methods[method])
    return result


def _complete(path: str, method: str, operation: dict[str, Any]) -> None:
    answers = operation["responses"]
    for status, description in _refusals(path, method, operation).items():
        answers[status] = _refusal(description)
    answers["429"]["headers"] = WAITS
    if method == "get" and "200" in answers:
        answers["200"].setdefault("headers", {}).update(TAG)
        answers["304"] = {"description": "It is as If-None-Match says: you have it already"}
        _header(operation, "If-None-Match", "An ETag that you have: 304 while it is still right")
    elif (method, path.removeprefix(V1)) in GUARDED:
        answers["412"] = _refusal("It is not as If-Match says")
        _header(operation, "If-Match", "The ETag that you read: 412 when it changed meanwhile")
    operation["responses"] = dict(sorted(answers.items()))


def _refusals(path: str, method: str, operation: dict[str, Any]) -> dict[str, str]:
    """Statuses of refusals that any view may answer with."""
    found = {"400": "Something in the request cannot be taken", "429": "Too many requests"}
    if operation.get("security") != []:
        found["401"] = "No token, or one that opens nothing"
        found["403"] = "Your role is too low for this"
    if "{" in path:
        found["404"] = "There is no such record, or you may not know of it"
    found["406"] = "It can be had as what the answers say only"
    if method != "get":
        found["413"] = "The body is too large"
        found["415"] = "The body is of a type that is not read here"
    # What the view says itself is written anew: refusals are all alike.
    found |= {
        each: "It is not possible now; the sentence says why"
        for each in ("409",)
        if each in operation["responses"]
    }
    return found


def _refusal(description: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Refusal"}
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _header(operation: dict[str, Any], name: str, description: str) -> None:
    header = {"name": name, "in": "header", "schema": {"type": "string"}}
    operation.setdefault("parameters", []).append(header | {"description": description})

"""The OpenAPI 3.1 document, made from the same routes and models that check the requests."""

import re
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from hotline.api.problems import ProblemDocument
from hotline.api.routes import Route

_REF = "#/components/schemas/{model}"
_COMMON = {
    400: "the body is not JSON",
    401: "no key, or a wrong one",
    403: "the key may not do this",
    413: "the body is too large",
    422: "a field is wrong; `errors` says which",
    429: "too fast, or a limit is reached; see `Retry-After`",
    500: "our fault; it is in the log",
    503: "the database is away; try again with the same key",
}
_MORE = {
    404: "no such thing, or not yours",
    409: "not in this state",
    415: "neither CSV nor NDJSON, or compressed",
    501: "not available in this installation",
}


def document(routes: Sequence[Route], version: str) -> dict[str, Any]:
    """The whole document."""
    models = {model for route in routes for model in _models(route)} | {ProblemDocument}
    ordered = sorted(models, key=lambda model: model.__name__)
    refs, defs = models_json_schema([(model, _mode(model)) for model in ordered], ref_template=_REF)
    named = {model: refs[model, _mode(model)] for model in ordered}
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, named)
    return {
        "openapi": "3.1.0",
        "info": {"title": "12329", "version": version},
        "paths": paths,
        "components": {
            "schemas": defs["$defs"],
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"key": []}],
    }


def _models(route: Route) -> list[type[BaseModel]]:
    answers = [model for model in route.answers.values() if not isinstance(model, str)]
    return [*answers, *([route.body] if route.body else [])]


def _mode(model: type[BaseModel]) -> Any:
    return "validation" if model.__name__.endswith("Request") else "serialization"


def _operation(route: Route, refs: dict[type[BaseModel], Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": route.summary,
        "operationId": f"{route.method.lower()}{re.sub(r'[^a-zA-Z]+', '_', route.path)}",
        "description": f"Scope: `{route.scope}`.",
        "parameters": [*_path_parameters(route.path), *_query_parameters(route.query)],
        "responses": {str(status): _answer(model, refs, route.also) for status, model in route.answers.items()}
        | _problems(route),
    }
    if route.body:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": refs[route.body]}}}
    if route.upload:
        binary = {"schema": {"type": "string"}}
        operation["requestBody"] = {"required": True, "content": dict.fromkeys(route.upload, binary)}
    return operation


def _answer(model: type[BaseModel] | str, refs: dict[type[BaseModel], Any], also: Sequence[str]) -> dict[str, Any]:
    if isinstance(model, str):
        return {"description": "a download", "content": {model: {"schema": {"type": "string"}}}}
    return {
        "description": (model.__doc__ or "").split("\n")[0],
        "content": {"application/json": {"schema": refs[model]}}
        | {media: {"schema": {"type": "string"}} for media in also},
    }


def _problems(route: Route) -> dict[str, Any]:
    content = {"application/problem+json": {"schema": {"$ref": _REF.format(model="ProblemDocument")}}}
    told = _COMMON | {status: _MORE[status] for status in route.problems}
    return {str(status): {"description": why, "content": content} for status, why in sorted(told.items())}


def _path_parameters(path: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in re.findall(r"{(\w+)}", path)
    ]


def _query_parameters(model: type[BaseModel] | None) -> list[dict[str, Any]]:
    if model is None:
        return []
    schema = model.model_json_schema()
    return [
        {"name": name, "in": "query", "required": name in schema.get("required", []), "schema": each}
        for name, each in schema["properties"].items()
    ]

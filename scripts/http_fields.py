"""Write docs/http-fields.md, every route and field of the HTTP API, from the service's own OpenAPI description.

python scripts/http_fields.py            # rewrite
python scripts/http_fields.py --check    # exit 1 when it differs (tests/service/test_http_docs.py compares, too)
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from kept import keep

PAGE = Path(__file__).parents[1] / "docs" / "http-fields.md"
HEAD = """# The routes, field by field

Made from the service's own description (`python scripts/http_fields.py`), which a running service shows at
`/openapi.json`. What the fields are for, errors, keys and limits: [over HTTP](http.md). Fields in **bold** must be given, or
are always there. Every route may also answer with a [problem](#problemout).
"""


def description() -> dict[str, Any]:
    """The OpenAPI document of a service without a catalogue: routes and fields are the same for each."""
    from modiste.service.app import create_app
    from modiste.service.settings import Settings

    with tempfile.TemporaryDirectory() as folder:
        return create_app(Settings(Path(folder))).openapi()


def page(document: dict[str, Any]) -> str:
    """The whole page."""
    schemas = document["components"]["schemas"]
    parts = [HEAD]
    inline: set[str] = set()
    for path, methods in document["paths"].items():
        for method, route in methods.items():
            parts.append(_route(f"{method.upper()} {path}", route, schemas, inline))
    parts.append("\n## What they are made of\n")
    for name in sorted(set(schemas) - inline):
        parts.append(f"\n### {name}\n\n{_sentence(schemas[name])}{_fields(schemas[name])}")
    return "".join(parts)


def _route(title: str, route: dict[str, Any], schemas: dict[str, Any], inline: set[str]) -> str:
    lines = [f"\n## `{title}`\n\n{route['summary'].rstrip('?')}{'?' if route['summary'].endswith('?') else '.'}\n"]
    if parameters := route.get("parameters"):
        lines.append("\n| in the address | | |\n|---|---|---|\n")
        lines += [
            _row(one["name"], one["schema"], one.get("required", False), one.get("description", ""))
            for one in parameters
        ]
    for kind, body in route.get("requestBody", {}).get("content", {}).items():
        name = body["schema"].get("$ref", "").rpartition("/")[2]
        if name.startswith("Body_"):  # of this route alone: shown here
            inline.add(name)
            lines.append(f"\nTakes `{kind}`:\n\n{_fields(schemas[name])}")
        elif "properties" in body["schema"]:
            lines.append(f"\nTakes `{kind}`:\n\n{_fields(body['schema'])}")
        else:
            lines.append(f"\nTakes `{kind}`: {_kind(body['schema'])}.\n")
    for status, answer in route["responses"].items():
        if status[0] in "23":
            kinds = [f"`{kind}`" + _of(one.get("schema")) for kind, one in answer.get("content", {}).items()]
            lines.append(f"\nAnswers {status}: {', or '.join(kinds) or 'nothing'}.\n")
    refused = [f"{status}" for status in route["responses"] if status[0] in "45"]
    lines.append(f"\nRefuses with {', '.join(refused)}.\n")
    return "".join(lines)


def _of(schema: dict[str, Any] | None) -> str:
    if not schema or not ("$ref" in schema or "anyOf" in schema or "type" in schema):
        return ""
    return f", {_kind(schema)}"


def _fields(schema: dict[str, Any]) -> str:
    properties = schema.get("properties")
    if not properties:
        return f"{_kind(schema)}\n"
    rows = [
        _row(name, one, name in schema.get("required", ()), one.get("description", ""))
        for name, one in properties.items()
    ]
    return "| field | | |\n|---|---|---|\n" + "".join(rows)


def _row(name: str, schema: dict[str, Any], required: bool, text: str) -> str:
    name = f"**`{name}`**" if required else f"`{name}`"
    more = [text.replace("\n", " ").replace("|", "\\|").rstrip(".")] if text else []
    if not required and schema.get("default") not in (None, "", []):
        more.append(f"{json.dumps(schema['default'])} where it is not given")
    return f"| {name} | {_kind(schema)} | {'; '.join(more)} |\n"


def _kind(schema: dict[str, Any]) -> str:
    """A schema in a few words, with its bounds."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema or "oneOf" in schema:
        return " or ".join(dict.fromkeys(_kind(one) for one in schema.get("anyOf", schema.get("oneOf", []))))
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return " or ".join(f"`{one}`" for one in schema["enum"])
    kind = schema.get("type", "anything")
    if kind == "array":
        item = _kind(schema.get("items", {}))
        return f"list of {f'({item})' if ' or ' in item else item}{_bounds(schema, 'minItems', 'maxItems', ' of them')}"
    if kind == "object":
        more = schema.get("additionalProperties")
        return f"object: name → {_kind(more)}" if isinstance(more, dict) else "object"
    if kind == "string" and "contentMediaType" in schema:
        return "file"
    words = {
        "string": "text",
        "integer": "whole number",
        "number": "number",
        "boolean": "true or false",
        "null": "null",
    }
    bounds = _bounds(schema, "minLength", "maxLength", " characters") + _bounds(schema, "minimum", "maximum")
    above = f", above {schema['exclusiveMinimum']:,g}" if "exclusiveMinimum" in schema else ""
    return f"{words.get(kind, kind)}{above}{bounds}"


def _bounds(schema: dict[str, Any], low: str, high: str, unit: str = "") -> str:
    least, most = schema.get(low), schema.get(high)
    if most is None:
        return f", at least {least:,g}{unit}" if least else ""
    ends = f"{most:,.0f}" if most == int(most) else f"{most:g}"
    return f", {least:,g} to {ends}{unit}" if least is not None else f", up to {ends}{unit}"


def _sentence(schema: dict[str, Any]) -> str:
    text = " ".join(schema.get("description", "").split())
    return f"{text}\n\n" if text else ""


def main() -> int:
    return keep({PAGE: page(description())})


if __name__ == "__main__":
    sys.exit(main())

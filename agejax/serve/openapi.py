"""The service's OpenAPI description."""

from typing import Any

from agejax.data.formats import FORMATS
from agejax.serve.limits import Limits


def openapi(limits: Limits) -> dict[str, Any]:
    """The OpenAPI 3.1 description of a service with these limits."""
    from agejax import __version__

    image = {"type": "string", "contentMediaType": "image/*", "description": FORMATS}
    form = _object(images={"type": "array", "items": image, "maxItems": limits.images})
    body = {
        "required": True,
        "description": f"An image, or a form of up to {limits.images} files; at most "
        f"{limits.mib:g} MiB; at most {limits.megapixels:g} million pixels per image and "
        f"{limits.request_megapixels:g} million in total.",
        "content": {
            "image/jpeg": {"schema": image},
            "image/png": {"schema": image},
            "image/webp": {"schema": image},
            "application/octet-stream": {"schema": image},
            "multipart/form-data": {"schema": form},
        },
    }
    refusals = {
        "400": "The body is empty, or a form or parameter is malformed.",
        "408": f"The request was not received within {limits.seconds:g} s.",
        "413": "The body is too large, or has too many images or pixels.",
        "422": "None of the images can be read.",
        "429": "Too many requests are in progress; try again later.",
        "503": f"The request was not processed within {limits.seconds:g} s.",
    }
    predict = {
        "summary": "Predict age and gender of every face in images",
        "parameters": [
            _parameter("photos", "auto", "Whether the images are photos or face crops", "auto"),
            _parameter("distribution", "false", "Whether to return the probability of each age"),
        ],
        "requestBody": body,
        "responses": {"200": _json("Predictions", {"$ref": "#/components/schemas/Images"})}
        | {
            status: _json(said, {"$ref": "#/components/schemas/Error"})
            for status, said in refusals.items()
        },
    }
    health = _object(status=_STRING, size=_INTEGER, photos=_BOOLEAN, trunk=_STRING, step=_INTEGER)
    health["properties"]["challenge"] = {
        "type": "object",
        "description": "by threshold, the limits at which few under it pass",
        "additionalProperties": {"type": "object"},
    }
    text = {"description": "Metrics", "content": {"text/plain": {"schema": _STRING}}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "agejax", "version": __version__},
        "paths": {
            "/predict": {"post": predict},
            "/health": {
                "get": {
                    "summary": "Check that the service is ready",
                    "responses": {"200": _json("It is ready", health)},
                }
            },
            "/metrics": {"get": {"summary": "Prometheus metrics", "responses": {"200": text}}},
        },
        "components": {"schemas": _schemas()},
    }


_STRING, _INTEGER, _BOOLEAN = ({"type": name} for name in ("string", "integer", "boolean"))


def _schemas() -> dict[str, Any]:
    years = {"type": "number", "minimum": 0, "maximum": 100, "description": "years"}
    share = {"type": "number", "minimum": 0, "maximum": 1}
    face = _object(
        age=years,
        age_low=years | {"description": "years; lower end of the 90% interval"},
        age_high=years,
        gender={"enum": ["F", "M"]},
        gender_probability=share,
        unsure={"type": "array", "items": {"enum": ["age", "gender"]}},
        box={
            "type": ["array", "null"],
            "items": {"type": "number"},
            "description": "x, y, width and height in pixels of the upright image; null if the "
            "image is a face crop",
        },
    )
    other = _object(**{"class": _STRING, "probability": share})
    face["properties"]["others"] = {"type": "object", "additionalProperties": other}
    face["properties"]["at_least"] = {
        "type": "object",
        "description": "by threshold, the probability of being so old or older",
        "additionalProperties": share,
    }
    face["properties"]["age_distribution"] = {"type": "array", "items": share}
    image = _object(
        name=_STRING,
        width={"type": ["integer", "null"]},
        height={"type": ["integer", "null"]},
        faces={"type": "array", "items": {"$ref": "#/components/schemas/Face"}},
        error={"type": ["string", "null"], "description": "why it could not be read"},
        note={"type": ["string", "null"], "description": "a remark on all its faces"},
    )
    images = {"type": "array", "items": {"$ref": "#/components/schemas/Image"}}
    return {
        "Face": face,
        "Image": image,
        "Images": _object(images=images),
        "Error": _object(error=_STRING),
    }


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _json(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _parameter(name: str, default: str, description: str, *more: str) -> dict[str, Any]:
    schema = {"enum": [*more, "true", "false"], "default": default}
    return {"name": name, "in": "query", "description": description, "schema": schema}

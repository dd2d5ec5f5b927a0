"""The service's OpenAPI description."""

from typing import Any

from agejax.data.formats import FORMATS
from agejax.serve.limits import Limits


def openapi(limits: Limits) -> dict[str, Any]:
    """OpenAPI 3.1 of the service under these limits."""
    from agejax import __version__

    image = {"type": "string", "contentMediaType": "image/*", "description": FORMATS}
    form = _object(images={"type": "array", "items": image, "maxItems": limits.images})
    body = {
        "required": True,
        "description": f"An image, or a form of up to {limits.images} files; up to "
        f"{limits.mib:g} MiB, each image up to {limits.megapixels:g} million pixels, all "
        f"together up to {limits.request_megapixels:g} million.",
        "content": {
            "image/jpeg": {"schema": image},
            "image/png": {"schema": image},
            "image/webp": {"schema": image},
            "application/octet-stream": {"schema": image},
            "multipart/form-data": {"schema": form},
        },
    }
    refusals = {
        "400": "Nothing was sent, or a malformed form or parameter.",
        "408": f"The request took over {limits.seconds:g} s to come in.",
        "413": "Too large, too many images, or too many pixels in all.",
        "422": "None of the images can be read.",
        "429": "Too much is being worked on; try again after a while.",
        "503": f"No answer within {limits.seconds:g} s.",
    }
    predict = {
        "summary": "Read age and gender from every face in images",
        "parameters": [
            _parameter("photos", "auto", "Whether images are photos to find faces in", "auto"),
            _parameter("distribution", "false", "Whether to tell the probability of each age"),
        ],
        "requestBody": body,
        "responses": {"200": _json("What was read", {"$ref": "#/components/schemas/Images"})}
        | {
            status: _json(said, {"$ref": "#/components/schemas/Error"})
            for status, said in refusals.items()
        },
    }
    health = _object(status=_STRING, size=_INTEGER, photos=_BOOLEAN, trunk=_STRING, step=_INTEGER)
    text = {"description": "Numbers", "content": {"text/plain": {"schema": _STRING}}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "agejax", "version": __version__},
        "paths": {
            "/predict": {"post": predict},
            "/health": {
                "get": {
                    "summary": "Whether it works",
                    "responses": {"200": _json("It does", health)},
                }
            },
            "/metrics": {"get": {"summary": "Numbers for Prometheus", "responses": {"200": text}}},
        },
        "components": {"schemas": _schemas()},
    }


_STRING, _INTEGER, _BOOLEAN = ({"type": name} for name in ("string", "integer", "boolean"))


def _schemas() -> dict[str, Any]:
    years = {"type": "number", "minimum": 0, "maximum": 100, "description": "years"}
    share = {"type": "number", "minimum": 0, "maximum": 1}
    face = _object(
        age=years,
        age_low=years | {"description": "years; nine in ten lie between this and age_high"},
        age_high=years,
        gender={"enum": ["F", "M"]},
        gender_probability=share,
        unsure={"type": "array", "items": {"enum": ["age", "gender"]}},
        box={
            "type": ["array", "null"],
            "items": {"type": "number"},
            "description": "x, y, width and height in pixels of the upright image; null where it "
            "was taken for a face crop",
        },
    )
    other = _object(**{"class": _STRING, "probability": share})
    face["properties"]["others"] = {"type": "object", "additionalProperties": other}
    face["properties"]["age_distribution"] = {"type": "array", "items": share}
    image = _object(
        name=_STRING,
        width={"type": ["integer", "null"]},
        height={"type": ["integer", "null"]},
        faces={"type": "array", "items": {"$ref": "#/components/schemas/Face"}},
        error={"type": ["string", "null"], "description": "why it could not be read"},
        note={"type": ["string", "null"], "description": "what is to be known of all its faces"},
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

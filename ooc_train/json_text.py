"""JSON text, written so that it can always be read again, and read so that it is an object."""

import json
from typing import Any


def as_json(content: object) -> str:
    """``content`` as indented JSON, a line at the end."""
    return json_text(content, indent=2) + "\n"


def json_text(content: object, **layout: Any) -> str:
    """``content`` as JSON that can be written in UTF-8, even if names of files have other bytes."""
    text = json.dumps(content, ensure_ascii=False, **layout)
    # Such a byte is half a surrogate pair, for which Python's escape is that of JSON.
    return text.encode("utf-8", "backslashreplace").decode()


def json_object(text: str | bytes) -> dict[str, Any]:
    """The object that a JSON text is.  Raises ValueError if it is none."""
    try:
        found = json.loads(text)
    except RecursionError as error:
        raise ValueError("a JSON text is nested too deeply") from error
    if not isinstance(found, dict):
        raise ValueError("a JSON text is no object")
    return found

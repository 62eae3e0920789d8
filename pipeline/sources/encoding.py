"""Text in an unknown encoding: UTF-8, or else the code page that Windows exports in."""

from __future__ import annotations

import pyarrow as pa


def decoded(text: bytes) -> str:
    """UTF-8 as it is, anything else as Windows-1252; a byte that neither knows becomes U+FFFD."""
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        return text.decode("cp1252", errors="replace")


def decoded_column(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Text or bytes as text that is valid UTF-8, value by value where a column is not."""
    text = column.cast(pa.binary()).cast(pa.string(), safe=False)
    try:
        text.validate(full=True)
    except pa.ArrowInvalid:
        values = text.cast(pa.binary()).to_pylist()
        return pa.chunked_array([[v if v is None else decoded(v) for v in values]], pa.string())
    return text

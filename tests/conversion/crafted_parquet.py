"""Parquet files written by hand, so that they can lie: footer and headers of pages in Thrift."""

import struct

INT32, INT64, BINARY, LIST, STRUCT = 5, 6, 8, 9, 12
FLOAT, TEXT = 4, 6  # types of columns
REPEATED = 2
PLAIN, RLE = 0, 3


def varint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes(out) + bytes([number])


def thrift(kind, value):
    if kind in (INT32, INT64):
        return varint(value << 1 if value >= 0 else ~(value << 1))
    if kind == BINARY:
        return varint(len(value)) + value
    if kind == LIST:
        item_kind, items = value
        head = bytes([240 | item_kind]) + varint(len(items))
        return head + b"".join(thrift(item_kind, item) for item in items)
    out, last = b"", 0
    for field, (field_kind, item) in sorted(value.items()):
        out += bytes([(field - last) << 4 | field_kind]) + thrift(field_kind, item)
        last = field
    return out + b"\0"


def page(content, n_values, *, n_bytes=None, encoding=PLAIN, kind=0):
    """A page that is not compressed, with its header."""
    n_bytes = len(content) if n_bytes is None else n_bytes
    about = {1: (INT32, n_values), 2: (INT32, encoding), 3: (INT32, RLE), 4: (INT32, RLE)}
    field = {0: 5, 2: 7}[kind]
    about = about if kind == 0 else {1: about[1], 2: about[2]}
    header = {1: (INT32, kind), 2: (INT32, n_bytes), 3: (INT32, len(content))}
    return thrift(STRUCT, header | {field: (STRUCT, about)}) + content


def element(name, kind=None, *, n_children=None, repetition=0):
    fields = {3: (INT32, repetition), 4: (BINARY, name.encode())}
    fields |= {} if kind is None else {1: (INT32, kind)}
    fields |= {} if n_children is None else {5: (INT32, n_children)}
    return fields


def parquet(columns, n_rows, *, n_group_rows=None, schema=None, n_stored=None):
    """A file of one row group: ``columns`` are ``(path, type, repetition, n_values, pages)``."""
    body, chunks, elements = b"PAR1", [], [element("schema", n_children=len(columns))]
    for path, kind, repetition, n_values, pages in columns:
        content = b"".join(pages)
        size = len(content) if n_stored is None else n_stored
        about = {
            1: (INT32, kind),
            2: (LIST, (INT32, [PLAIN, RLE])),
            3: (LIST, (BINARY, [path.encode()])),
            4: (INT32, 0),
            5: (INT64, n_values),
            6: (INT64, size),
            7: (INT64, size),
            9: (INT64, len(body)),
        }
        chunks.append({2: (INT64, len(body)), 3: (STRUCT, about)})
        elements.append(element(path, kind, repetition=repetition))
        body += content
    n_group_rows = n_rows if n_group_rows is None else n_group_rows
    group = {1: (LIST, (STRUCT, chunks)), 2: (INT64, len(body)), 3: (INT64, n_group_rows)}
    footer = thrift(
        STRUCT,
        {
            1: (INT32, 1),
            2: (LIST, (STRUCT, schema or elements)),
            3: (INT64, n_rows),
            4: (LIST, (STRUCT, [group])),
        },
    )
    return body + footer + struct.pack("<I", len(footer)) + b"PAR1"


def texts(*values):
    """The content of a page of texts."""
    return b"".join(struct.pack("<I", len(value)) + value for value in values)


def levels(*runs):
    """Levels of one bit as a page begins with them: runs of ``(level, n_values)``."""
    content = b"".join(varint(n_values << 1) + bytes([level]) for level, n_values in runs)
    return struct.pack("<I", len(content)) + content

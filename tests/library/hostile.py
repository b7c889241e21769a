"""Files made to cost time or memory, each just below the limit of 10 MiB."""

import gzip

MOST = 10 * 2**20 - 100
HEADER = b"title,author,rating\n"


def filled(piece: bytes, header: bytes = HEADER) -> bytes:
    return header + piece * ((MOST - len(header)) // len(piece))


HOSTILE = {
    "open quotes": filled(b'"Dune,Frank,5\n'),
    "50,000 open quotes, far apart": HEADER + b'"Dune,Frank,5\n' * 50_000,
    "one quote, no other": HEADER + b'"' + filled(b"a\n", b""),
    "a record that never ends": filled(b'"a\n",'),
    "records that never end, and no row between": filled(b'x,"a\n"\n"b'),
    "empty lines": filled(b"\n"),
    "lines of one space": filled(b" \n"),
    "lines of one letter": filled(b"a\n"),
    "one line of separators": filled(b","),
    "a header of separators": filled(b",", b"title"),
    "one long line": filled(b"x", HEADER + b"Dune,"),
    "one long value in quotes": filled(b"x", HEADER + b'"Dune') + b'"',
    "reviews of many lines": filled(b'Dune,"' + b"a\n" * 2000 + b'",5\n'),
    "sloppy quotes": filled(b'"a"b,c,5\n'),
    "doubled quotes": filled(b'""""""""\n'),
    "wrapped rows": filled(b'"a,""b"",5"\n', b'"title,author,rating"\n'),
    "isbns": filled(b"x," + b"0439023483;" * 400 + b"\n", b"title,isbn\n"),
    "authors": filled(b"x," + b"a & " * 1000 + b"\n"),
    "digits": filled(b"Dune,x," + b"9" * 5000 + b"\n"),
    "bytes of no encoding": filled(b"\x81\xfe,\x9d\n"),
    "UTF-16 without sense": b"\xff\xfe" + filled(b"\xd8\xd8\xdc,", b""),
    "everything is a quote": filled(b'"', b""),
    "carriage returns": filled(b"\r"),
    "letters of four bytes": filled("𝕯,𝕱,5\n".encode()),
    "a bomb": gzip.compress(bytes(5 * MOST)),
}

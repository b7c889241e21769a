"""Titles and names as keys: equal where two spellings mean one book, different where two books only look alike.

A key is made of letters and digits alone, so spaces and punctuation cannot tell two titles apart: `Spider-Man` is
`Spiderman` is `Spider Man`. The letters of every script stay, marks and all.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

from shelfaware.data.titles import TITLE_WITH_SERIES

SERIES = re.compile(TITLE_WITH_SERIES)
SERIES_PIECE = re.compile(r"\s*(.+?),?\s*#\s*([0-9]+(?:\.[0-9]+)?)(\s*[-–—&]\s*[0-9.]+)?")
"""One of the series in `(Series, #2; Other, #1-3)`."""
SERIES_IN_WORDS = re.compile(
    r"(.*\S)\s*\((?!.*(?:graphic novel|manga|comic))([^()]*[^\s(),])[\s,]+(?:book|bk|no)\.?\s+([0-9]{1,3})\)"
)
"""`Name (Series Book 2)`."""
PARENTHESIS = re.compile(r"[(\[]([^()\[\]]*)[)\]]")
SUBTITLE = re.compile(r"\s*(?:[:;]\s|—|--|\s[-–]+\s|,?\sor,\s|,\sor\s)\s*")
"""What a subtitle stands behind: a colon, a semicolon, a dash, `or,` or `, or`."""
FORM_WORDS = ("novel", "novella", "memoir", "thriller", "romance", "mystery", "love story", "fable")
FORMS = (*FORM_WORDS, *(f"{word})" for word in FORM_WORDS))
FORM = re.compile(
    r"\s*(?:[:;,(—]|\s[-–])\s*(?:an?\s)?(?:(?:epic|historical|debut|romantic|true|short)\s)?"
    rf"(?:{'|'.join(FORM_WORDS)})\)?$"
)
"""A subtitle that only says what kind of book it is."""
ARTICLES = frozenset({"the", "a", "an", "le", "les", "el", "los", "las", "der", "das"})
"""Those that are no common word of another language: `die` and `la` stay."""
MOVED_ARTICLE = re.compile(r"(?<=[^\s:;(])\s*,\s+(?:the|an?|les?|el|los|las|der|das)(?=\s*(?:$|[:(]))")

VOLUME = {
    word: words[0]
    for words in (
        ("volume", "vol", "vols", "volumes"),
        ("book", "bk", "books"),
        ("part", "pt", "parts"),
        ("issue", "issues"),
        ("level",),
    )
    for word in words
}
NUMBERS = {
    word: str(number)
    for words in ("one two three four five six seven eight nine ten", "i ii iii iv v vi vii viii ix x")
    for number, word in enumerate(words.split(), 1)
}
OTHER_WORK = re.compile(
    r"\b(?:box|boxed|boxset|set|bundle|collection|collected|omnibus|complete|trilogy|quartet|anthology|sampler|excerpt"
    r"|guide(?! (?:to|for|through)\b)|summary|analysis|companion|workbook|colou?ring|notes(?! (?:by|from|on|of|for|to)\b)"
    r"|graphic novel|manga|comics?|adaptation|play|dramati[sz]ation|screenplay|script|journal|cookbook|calendar|abridged"
    r"|unofficial|unauthori[sz]ed|trivia|quiz|movie|film|(?:volume|book|part|issue|level) [0-9]+|^[0-9]{1,3}$)\b"
)
"""What says, in a part of the title that is cut off, that this is another work than the part that stays."""
SERIES_WORDS = re.compile(r"(.+)(?:series|saga|trilogy|chronicles|cycle|novels|books)")

SUFFIXES = frozenset({"jr", "sr", "ii", "iii", "iv", "phd", "md", "esq", "junior", "senior"})
HONORIFICS = frozenset({"dr", "sir", "mr", "mrs", "ms", "prof", "professor", "rev", "lord", "lady", "dame"})

_APOSTROPHES = dict.fromkeys(map(ord, "'’‘ʼ`´′\u1ffd\u1fef"))


class _Letters(dict[int, int | None]):
    """For str.translate: what is neither letter, number nor mark becomes a space, what has no width goes."""

    def __missing__(self, code: int) -> int | None:
        category = unicodedata.category(chr(code))
        self[code] = None if category == "Cf" else code if category[0] in "LNM" else ord(" ")
        return self[code]


_LETTERS = _Letters()


class Title(NamedTuple):
    """A title taken apart, each part a key.

    full    without the series
    short   without subtitle and parentheses, but with what they say against being the same work
    head, rest  what stands before the subtitle, as if it named a series, and the subtitle; "" where there is none
    series  names and numbers; the number is None for several volumes in one
    """

    full: str
    short: str
    head: str = ""
    rest: str = ""
    series: tuple[tuple[str, float | None], ...] = ()


class Name(NamedTuple):
    """A person's last name, and the first letter of what stands before it; "" where nothing does."""

    last: str
    initial: str = ""

    def may_be(self, other: Name) -> bool:
        """Whether both can be one person: an initial is only compared with an initial."""
        return self.last == other.last and (not self.initial or not other.initial or self.initial == other.initial)


def read_title(title: str) -> Title:
    """Takes a title apart: series in parentheses, subtitle, what says that it is a volume, a box or a book about the book."""
    text, inside = _without_series(_spaced(title))
    if text.endswith(FORMS):
        text = FORM.sub("", text)
    if ", " in text:
        text = MOVED_ARTICLE.sub("", text, count=1)
    head, *rest = SUBTITLE.split(text, maxsplit=1)
    asides = PARENTHESIS.findall(head) if "(" in head or "[" in head else []
    if not (rest or asides or inside):
        full = _key(text)
        return Title(full, full)
    short = _key(PARENTHESIS.sub(" ", head) if asides else head)
    said = _said_against(short, *asides, *rest, SERIES_PIECE.sub("", inside))
    return Title(
        _key(text), short and short + said, _series_key(head) if rest else "", _key(rest[0]) if rest else "", _series(inside)
    )


@lru_cache(maxsize=50_000)
def read_name(name: str) -> Name:
    """`J.R.R. Tolkien` and `Tolkien, J. R. R.` are one name; `Jr.`, `III`, `PhD` and `Dr.` are no part of a name."""
    text = PARENTHESIS.sub(" ", plain(name))
    before, comma, after = text.partition(",")
    words = words_of(before)
    first = [word for word in words_of(after) if word not in SUFFIXES] if comma else []
    words = [word for word in (first + words[-1:] if first else words) if word not in HONORIFICS] or words
    while len(words) > 1 and words[-1] in SUFFIXES:
        words.pop()
    return Name(words[-1], words[0][0] if len(words) > 1 else "") if words else Name("")


def search_text(title: str, author: str) -> str:
    """What two spellings of one book are compared by, letter by letter: title without series and subtitle, author."""
    text, _ = _without_series(_spaced(title))
    head = SUBTITLE.split(text, maxsplit=1)[0]
    return " ".join([*words_of(head), *words_of(plain(author))])


def plain(text: str) -> str:
    """One form for all spellings of the same characters, in one case, without apostrophes."""
    if text.isascii():
        return text.lower().replace("'", "").replace("`", "")
    folded = unicodedata.normalize("NFKC", text.translate(_APOSTROPHES)).casefold()
    return unicodedata.normalize("NFKC", folded).translate(_APOSTROPHES)


def key_of(text: str) -> str:
    """The key of a text: idempotent, empty where there is no letter and no digit."""
    return _key(plain(text))


def series_key_of(name: str) -> str:
    """The key of a series, with or without `Saga`, `Trilogy` and the like."""
    return _series_key(plain(name))


def words_of(text: str) -> list[str]:
    """Words of letters and digits; `&` is `and`, and a volume is named one way: `Vol. 02` and `Volume Two` are volume 2."""
    words = text.replace("&", " and ").translate(_LETTERS).split()
    if VOLUME.keys().isdisjoint(words):
        return words
    for i in range(len(words) - 1):
        if words[i] in VOLUME:
            number = NUMBERS.get(words[i + 1], words[i + 1])
            if number.isdecimal():
                words[i : i + 2] = [VOLUME[words[i]], number.lstrip("0") or "0"]
    return words


def _spaced(text: str) -> str:
    return " ".join(plain(text).split())


def _key(text: str) -> str:
    words = words_of(text)
    joined = "".join(words[1:] if len(words) > 1 and words[0] in ARTICLES else words)
    return joined if joined.isascii() else unicodedata.normalize("NFKC", joined)


def _series_key(text: str) -> str:
    key = _key(text)
    bare = SERIES_WORDS.fullmatch(key)
    return bare[1] if bare else key


def _without_series(text: str) -> tuple[str, str]:
    """`name`, `series, #2` of `name (series, #2)` or `name (series book 2)`."""
    if not text.endswith(")"):
        return text, ""
    if "#" in text:
        found = SERIES.match(text)
        return (found[1], text[found.start(2) : -1]) if found else (text, "")
    found = SERIES_IN_WORDS.match(text)
    return (found[1], f"{found[2]} #{found[3]}") if found else (text, "")


def _series(inside: str) -> tuple[tuple[str, float | None], ...]:
    pieces = [found for piece in inside.split(";") if (found := SERIES_PIECE.match(piece))]
    return tuple((_series_key(piece[1]), None if piece[3] else float(piece[2])) for piece in pieces)


def _said_against(short: str, *parts: str) -> str:
    """What the parts that are cut off, and they alone, say against being the same work: `+volume1+graphicnovel`."""
    said = {found.replace(" ", "") for part in parts for found in OTHER_WORK.findall(" ".join(words_of(part)))}
    return "".join("+" + words for words in sorted(said) if words not in short)

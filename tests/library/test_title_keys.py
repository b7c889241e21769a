"""Titles and names as keys: known answers, and what never changes a key."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shelfaware.library.title_keys import Name, Title, key_of, read_name, read_title, search_text, series_key_of


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The Hobbit", "hobbit"),
        ("The Hobbit", "HOBBIT, The"),
        ("Hobbit , the", "The Hobbit"),
        ("Ender's Game", "Ender’s  Game"),
        ("Ender's Game", "Enders Game"),
        ("Spider-Man", "Spider Man"),
        ("Pride & Prejudice", "Pride and Prejudice"),
        ("Le Petit Prince", "Petit Prince, Le"),
        ("Saga, Vol. 04", "Saga: Volume Four"),
        ("King Henry IV, Part I", "King Henry IV: Part 1"),
        ("Naïve. Super", unicodedata.normalize("NFD", "NAÏVE SUPER")),
        ("Die Straße", "DIE STRASSE"),
        ("ﬁfth", "Fifth"),
        ("Emma: A Novel", "Emma"),
        ("Emma (a novel)", "Emma"),
        ("Name (Saga, #2)", "Name"),
        ("Name (Saga #2; Other, #7)", "Name"),
        ("Name (Saga Book 2)", "Name"),
        ("Name (Saga, Book 2)", "Name"),
    ],
)
def test_spellings_of_one_title(one: str, other: str) -> None:
    assert read_title(one).full == read_title(other).full != ""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Resumé", "Resume"),
        ("Die Trying", "Trying"),
        ("Saga, Vol. 1", "Saga, Vol. 11"),
        ("Saga", "Saga, Vol. 1"),
        ("Emma", "Emma: The Graphic Novel"),
        ("قمر", "سمر"),
        ("Name (Saga, The Graphic Novel Book 2)", "Name"),
    ],
)
def test_titles_that_only_look_alike(one: str, other: str) -> None:
    assert read_title(one).full != read_title(other).full
    assert read_title(one).short != read_title(other).short


@pytest.mark.parametrize(
    ("written", "short"),
    [
        ("Sapiens: A Brief History", "sapiens"),
        ("Sapiens - A Brief History", "sapiens"),
        ("Sapiens—A Brief History", "sapiens"),
        ("Frankenstein; or, The Modern Prometheus", "frankenstein"),
        ("Moby-Dick or, The Whale", "mobydick"),
        ("The Hobbit, or There and Back Again", "hobbit"),
        ("Grace (Eventually): Thoughts", "grace"),
        ("Diet: A Guide to Food", "diet"),
        ("Emma: A Study Guide", "emma+guide"),
        ("Emma (Coloring Book)", "emma+coloring"),
        ("Emma: The Graphic Novel, Vol. 02", "emma+graphicnovel+volume2"),
        ("Emma (Boxed Set)", "emma+boxed+set"),
        ("Emma: Book One of the Saga", "emma+book1"),
        ("Emma (72)", "emma+72"),
        ("Emma (1815)", "emma"),
        ("Storm (Ice, #3: Part 2 of 2)", "storm+part2"),
        ("Box Office: A Box", "boxoffice"),
        ("(untitled)", ""),
    ],
)
def test_what_is_cut_off_leaves_what_it_says_against_the_work(written: str, short: str) -> None:
    assert read_title(written).short == short


def test_parts_of_a_title() -> None:
    assert read_title("The Saga: A Name, Vol. 2 (The Great Saga, #2.5; Box, #1-3)") == Title(
        "sagaanamevolume2", "saga+volume2", "saga", "namevolume2", (("great", 2.5), ("box", None))
    )
    assert read_title("?!") == Title("", "")
    assert read_title("The") == Title("the", "the")


@pytest.mark.parametrize(
    ("written", "last", "initial"),
    [
        ("J.R.R.  Tolkien", "tolkien", "j"),
        ("J R R Tolkien", "tolkien", "j"),
        ("Tolkien, J. R. R.", "tolkien", "j"),
        ("Martin Luther King, Jr.", "king", "m"),
        ("King, Martin Luther, Jr.", "king", "m"),
        ("Kurt Vonnegut Jr", "vonnegut", "k"),
        ("Dr. Seuss", "seuss", ""),
        ("Homer", "homer", ""),
        ("Ursula K. Le Guin", "guin", "u"),
        ("Flann O'Brien (Myles)", "obrien", "f"),
        ("Émile Zola", "zola", "é"),
        ("يوسف زيدان", "زيدان", "ي"),
        ("Prof", "prof", ""),
        (" . ", "", ""),
    ],
)
def test_names(written: str, last: str, initial: str) -> None:
    assert read_name(written) == Name(last, initial)
    assert read_name(unicodedata.normalize("NFD", written.upper())) == Name(last, initial)


def test_an_initial_speaks_against_a_name_only_if_both_have_one() -> None:
    frank, brian, bare = Name("herbert", "f"), Name("herbert", "b"), Name("herbert")
    assert frank.may_be(frank)
    assert frank.may_be(bare)
    assert bare.may_be(brian)
    assert not frank.may_be(brian)
    assert not frank.may_be(Name("asimov", "f"))


def test_series_names_and_texts_to_compare() -> None:
    assert series_key_of("The Mistborn Saga") == series_key_of("Mistborn") == "mistborn"
    assert series_key_of("Saga") == "saga"
    assert search_text("The Fool's Errand: A Tale (Tawny Man, #1)", "Robin  Hobb") == "the fools errand robin hobb"


LETTERS = st.text(st.characters(categories=["L", "M", "N", "P", "Z", "S", "Cf"]), max_size=30)


@given(LETTERS)
def test_a_key_is_a_key_of_itself(text: str) -> None:
    assert key_of(key_of(text)) == key_of(text)


@given(LETTERS)
def test_composed_and_decomposed_have_one_key(text: str) -> None:
    composed, decomposed = (unicodedata.normalize(form, text) for form in ("NFC", "NFD"))
    assert read_title(composed) == read_title(decomposed)
    assert read_name(composed) == read_name(decomposed)


WORDS = st.lists(st.text("abcdefgéßжش漢字0123456789", min_size=1, max_size=8), min_size=1, max_size=6)
MARKS = st.sampled_from([" ", "  ", ". ", ", ", "-", "! ", "/", "… ", " ★ ", "“", "」", "_"])


@given(WORDS, st.data())
def test_case_and_punctuation_never_change_a_key(words: list[str], data: st.DataObject) -> None:
    marked = "".join(word + data.draw(MARKS) for word in words)
    assert key_of(marked) == key_of(" ".join(words)) == key_of(marked.upper())


@given(st.text("éøłßжшبتक漢あ한", min_size=1, max_size=12))
def test_letters_of_every_script_survive(text: str) -> None:
    assert len(key_of(text)) >= len(unicodedata.normalize("NFC", text))

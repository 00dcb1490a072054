"""What would act on a terminal, or cannot be written in XML, is shown as an escape."""

import sys
import unicodedata
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from ooc_train.visible import visible

NASTY = "".join(map(chr, range(32))) + "\x7f\x9b\u2028\u202e\u2066\ud800\udcff\ufffe\uffff"


def test_every_control_character_and_half_pair_is_escaped():
    for number in range(sys.maxunicode + 1):
        if unicodedata.category(chr(number)) in ("Cc", "Cs", "Zl", "Zp"):
            assert visible(chr(number)).startswith("\\")
    assert all(len(visible(letter)) > 1 for letter in NASTY)


def test_everything_else_stays():
    for text in ("größe", "עברית", "日本語", "👩‍👩‍👧", "C:\\path", "<b> & 'x'", "\ufffd"):
        assert visible(text) == text


@given(st.text(st.characters(exclude_categories=()) | st.sampled_from(NASTY)))
def test_what_is_visible_is_one_line_and_can_be_written_in_xml(text):
    shown = visible(text)
    assert len(shown.splitlines()) <= 1
    element = ElementTree.Element("text")
    element.text = shown
    assert ElementTree.fromstring(ElementTree.tostring(element, "utf-8")).text == (shown or None)

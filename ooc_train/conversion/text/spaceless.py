"""Texts of languages that are written without spaces between words, told by a sample.

Where words are what stands between spaces, such a text is one word, which occurs nowhere else; its
characters, and pairs of them, tell as much as words do elsewhere.
"""

import re

_SPACELESS = re.compile(
    "["
    "\u0e00-\u0e7f\u0e80-\u0eff"  # Thai, Lao
    "\u1000-\u109f\u1780-\u17ff"  # Burmese, Khmer
    "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9d"  # Japanese, Chinese
    "\U00020000-\U0003ffff"
    "]"
)


def is_spaceless(sample: bytes) -> bool:
    """Whether most letters of a text, UTF-8, are of languages without spaces between words.

    >>> is_spaceless("这部电影很好看 DVD".encode()), is_spaceless("한국어 영화 and 日本".encode())
    (True, False)
    """
    text = sample.decode("utf-8", "ignore")
    n_letters = sum(map(str.isalpha, text))
    return 2 * len(_SPACELESS.findall(text)) > max(1, n_letters)

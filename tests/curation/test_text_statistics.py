"""Counts of words, sentences and repetitions, against what a reader counts and against a plain search."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from internvideo.curation.text_statistics import LONGEST_PHRASE, script_of, text_statistics, words_of

SENTENCES = st.lists(st.sampled_from(["a", "b", "the", "dog"]), max_size=24)


def plain_repeats(words: list[str]) -> dict[int, int]:
    """Longest run of one phrase per length of phrase, by trying every place."""
    found = {}
    for length in range(1, LONGEST_PHRASE + 1):
        best = 0
        for start in range(len(words) - length + 1):
            phrase, times = words[start : start + length], 1
            while words[start + times * length : start + (times + 1) * length] == phrase:
                times += 1
            best = max(best, times)
        found[length] = best
    return found


@given(SENTENCES)
def test_repetitions_equal_a_plain_search(words):
    counted, runs = text_statistics(" ".join(words)), plain_repeats(words)
    assert counted["repeats"] == max(runs.values())
    assert counted["repeated"] == (runs[1] >= 4 or max(runs[length] for length in runs if length > 1) >= 3)


@given(SENTENCES)
def test_words_and_their_variety_are_counted(words):
    counted = text_statistics("  ".join(words))
    assert counted["words"] == len(words) and counted["characters"] == sum(map(len, words))
    assert counted["distinct_share"] == (len(set(words)) / len(words) if words else 0.0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A dog's ball, 3-D.", ["a", "dog's", "ball", "3-d"]),
        ("well - or not? 'yes'", ["well", "or", "not", "yes"]),
        ("ÉTÉ naïve", ["été", "naïve"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
        ("한국어 문장", ["한국어", "문장"]),
        ("ab犬cd", ["ab", "犬", "cd"]),
        ("e\u0301t", ["e\u0301t"]),
        ("... !!", []),
    ],
)
def test_words_are_those_of_a_reader(text, words):
    assert words_of(text) == words


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("", 0),
        ("no end", 1),
        ("One. Two! Three?", 3),
        ("It costs 3.50 at example.com.", 1),
        ('He said "Stop." Then left...', 2),
        ("犬が走る。猫も。", 2),
        ("!?", 0),
    ],
)
def test_sentences_are_those_of_a_reader(text, sentences):
    assert text_statistics(text)["sentences"] == sentences


@pytest.mark.parametrize(
    ("text", "script", "language"),
    [
        ("a dog runs", "Latn", ""),
        ("Собака бежит", "Cyrl", ""),
        ("狗在跑", "Hani", "zh"),
        ("犬が走る", "Jpan", "ja"),
        ("개가 달린다", "Hang", "ko"),
        ("ο σκύλος", "Grek", "el"),
        ("สุนัขวิ่ง", "Thai", "th"),
        ("كلب يجري", "Arab", ""),
        ("123 ...", "", ""),
        ("a dog 狗", "Latn", ""),
    ],
)
def test_the_script_is_that_of_most_letters_and_tells_some_languages(text, script, language):
    counted = text_statistics(text)
    assert (counted["script"], counted["language"]) == (script, language)


def test_a_tie_of_scripts_goes_by_alphabet():
    assert script_of("aд") == script_of("дa") == "Cyrl"


@given(st.text(max_size=60))
def test_any_text_can_be_counted_within_bounds(text):
    counted = text_statistics(text)
    assert 0 <= counted["letters_share"] <= 1 and 0 <= counted["distinct_share"] <= 1
    assert counted["words"] <= counted["characters"] <= len(text)
    assert (counted["sentences"] > 0) == (counted["words"] > 0) and counted["repeats"] <= counted["words"]


@pytest.mark.parametrize(("text", "share"), [("ab 12", 0.5), ("", 0.0), ("नमस्ते", 1.0), ("a!", 0.5)])
def test_letters_are_counted_with_their_marks(text, share):
    assert text_statistics(text)["letters_share"] == share

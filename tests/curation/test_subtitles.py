"""Subtitle files as people have them: what is said and when comes out, and what is broken is told by line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from internvideo.curation.subtitles import Cue, collapse_rolling, parse_subtitles, plain_text

ROLLING = """WEBVTT
Kind: captions
Language: en

00:00:00.320 --> 00:00:02.070 align:start position:0%
~
hello<00:00:00.640><c> everyone</c>

00:00:02.070 --> 00:00:02.080 align:start position:0%
hello everyone
~

00:00:02.080 --> 00:00:04.000 align:start position:0%
hello everyone
welcome<00:00:02.640><c> to</c>

00:00:04.000 --> 00:00:04.010 align:start position:0%
welcome to
~

00:00:04.010 --> 00:00:06.000 align:start position:0%
welcome to
the<00:00:04.640><c> show</c>
""".replace("~", " ")  # YouTube's first line is one space


def said(text: str | bytes, file: str = ".srt", **options) -> list[tuple[float, float, str]]:
    texts, _ = parse_subtitles(text if isinstance(text, bytes) else text.encode(), file, **options)
    return [(one.start, one.end, one.text) for one in texts]


def problems(text: str, file: str = ".srt") -> list[str]:
    return [str(problem) for problem in parse_subtitles(text.encode(), file)[1]]


def clock(milliseconds: int, mark: str) -> str:
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{rest // 1000:02d}{mark}{rest % 1000:03d}"


WORDS = (
    st.text(st.sampled_from("abcdeé ç犬<&"), min_size=1, max_size=12)
    .map(lambda text: " ".join(text.split()))
    .filter(bool)
)
CUES = st.lists(
    st.tuples(st.integers(0, 10_000_000), st.integers(1, 100_000), st.lists(WORDS, min_size=1, max_size=3)),
    max_size=8,
    unique_by=lambda cue: cue[:2],
)


@given(
    CUES,
    st.booleans(),
    st.sampled_from(["\n", "\r\n", "\r", "\r\r\n"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
)
def test_what_a_subrip_writer_wrote_comes_back_in_order_of_time(cues, numbered, newline, encoding):
    blocks = []
    for number, (start, length, lines) in enumerate(cues, 1):
        times = f"{clock(start, ',')} --> {clock(start + length, ',')}"
        blocks.append(
            "\n".join(
                [
                    *([str(number)] if numbered else []),
                    times,
                    *(line.replace("&", "&amp;").replace("<", "&lt;") for line in lines),
                ]
            )
        )
    data = "\n\n".join(blocks).replace("\n", newline).encode(encoding)
    texts, told = parse_subtitles(data, ".srt")
    expected = sorted((start / 1000, (start + length) / 1000, " ".join(lines)) for start, length, lines in cues)
    assert [(one.start, one.end, one.text) for one in texts] == expected and told == []


@given(CUES)
def test_what_a_webvtt_writer_wrote_comes_back_without_names_notes_and_styles(cues):
    blocks = ["WEBVTT - made by hand", "STYLE\n::cue { color: red }", "NOTE nothing\nto see"]
    for number, (start, length, lines) in enumerate(cues, 1):
        times = f"{clock(start, '.')} --> {clock(start + length, '.')} line:10% align:start"
        blocks += [
            f"scene {number}\n{times}\n"
            + "\n".join(f"<v Ann>{line.replace('&', '&amp;').replace('<', '&lt;')}</v>" for line in lines),
            "NOTE between",
        ]
    expected = sorted((start / 1000, (start + length) / 1000, " ".join(lines)) for start, length, lines in cues)
    assert said("\n\n".join(blocks), ".vtt") == expected


@given(st.binary(max_size=300), st.sampled_from([".srt", ".vtt"]))
def test_garbage_is_never_an_error(data, file):
    parse_subtitles(data, file)
    for frame in (b"1\n00:00:01,000 --> 00:00:02,000\n", b"WEBVTT\n\n00:01.000 --> 00:02.000\n"):
        texts, _ = parse_subtitles(frame + data, file)
        assert all(one.start < one.end and one.text == " ".join(one.text.split()) for one in texts)


@given(
    st.lists(
        st.sampled_from(
            ["1", "", "00:00:01,000 --> 00:00:02,000", "00:00:03 -> 00:00:04.5", "a --> b", "x", "WEBVTT", "9:9 --> "]
        ),
        max_size=12,
    )
)
def test_shuffled_lines_of_subtitles_are_never_an_error(lines):
    texts, _ = parse_subtitles("\n".join(lines).encode(), ".srt")
    assert [one.start for one in texts] == sorted(one.start for one in texts)


def test_sloppy_times_indices_and_settings_are_understood():
    text = (
        "1\n0:0:1,5 --> 00:00:02,000  X1:100 X2:200\n<i>Hi</i>\nthere\n\n"
        "00:03.000 -> 00:04\n{\\an8}42\n\n0:00:05,25-->00:00:06,1\n- yes"
    )
    assert said(text) == [(1.5, 2.0, "Hi there"), (3.0, 4.0, "42"), (5.25, 6.1, "- yes")]


def test_a_number_is_the_next_index_only_right_before_the_times():
    text = (
        "00:00:01,000 --> 00:00:02,000\n42\n\n00:00:03,000 --> 00:00:04,000\nyes\n3\n00:00:05,000 --> 00:00:06,000\nno"
    )
    assert said(text) == [(1.0, 2.0, "42"), (3.0, 4.0, "yes"), (5.0, 6.0, "no")]


def test_an_empty_line_inside_a_subrip_cue_does_not_end_it():
    text = "1\n00:00:01,000 --> 00:00:02,000\nfirst\n\nsecond\n\n2\n00:00:03,000 --> 00:00:04,000\nthird"
    assert said(text) == [(1.0, 2.0, "first second"), (3.0, 4.0, "third")]


def test_empty_cues_and_cues_of_tags_only_are_left_out_and_overlapping_ones_kept():
    text = (
        "1\n00:00:01,000 --> 00:00:05,000\n\n2\n00:00:02,000 --> 00:00:06,000\n<b></b>\n\n"
        "3\n00:00:01,500 --> 00:00:09,000\nlong\n\n4\n00:00:02,000 --> 00:00:03,000\nshort"
    )
    assert said(text) == [(1.5, 9.0, "long"), (2.0, 3.0, "short")]


def test_equal_cues_are_told_once():
    assert said("00:01.0 --> 00:02.0\na\n\n00:01.0 --> 00:02.0\na\n\n00:01.0 --> 00:02.0\nb") == [
        (1, 2, "a"),
        (1, 2, "b"),
    ]


def test_bad_times_are_told_by_line_and_swallow_no_neighbour():
    text = (
        "1\n00:00:05,000 --> 00:00:05,000\nx\n\n2\n00:00:xx,000 --> 00:00:07,000\ny\n\n"
        "3\n00:00:08,000 --> 00:00:07,000\nz\n\n4\n00:00:09,000 --> 00:00:10,000\ngood"
    )
    assert said(text) == [(9.0, 10.0, "good")]
    assert problems(text) == [
        ".srt:2: the end is not after the start: 00:00:05,000 to 00:00:05,000",
        ".srt:6: times not understood: `00:00:xx,000 --> 00:00:07,000`",
        ".srt:10: the end is not after the start: 00:00:08,000 to 00:00:07,000",
    ]


def test_a_file_without_any_times_is_told_and_an_empty_one_is_not():
    assert problems("just words\n") == [".srt: no line has times such as `00:00:01,000 --> 00:00:02,500`"]
    assert problems("") == problems("\n\n") == problems("WEBVTT\n\n", ".vtt") == []


def test_rolling_captions_are_told_once_each_and_word_times_are_left_out():
    texts, told = parse_subtitles(ROLLING.encode(), ".vtt")
    assert [(one.start, one.end, one.text) for one in texts] == [
        (0.32, 2.07, "hello everyone"),
        (2.08, 4.0, "welcome to"),
        (4.01, 6.0, "the show"),
    ]
    assert told == [] and {one.language for one in texts} == {"en"} and texts[0].start_text == "00:00:00.320"


@given(st.lists(WORDS, min_size=4, max_size=10, unique=True))
def test_rolling_undoes_what_a_two_line_display_does(lines):
    shown = [Cue(i, i + 1, tuple(lines[max(0, i - 1) : i + 1])) for i in range(len(lines))]
    assert [line for cue in collapse_rolling(shown) for line in cue.lines] == lines


def test_a_line_said_twice_stays_twice_where_the_file_does_not_roll():
    text = (
        "00:01.0 --> 00:02.0\nNo.\n\n00:02.0 --> 00:03.0\nNo.\n\n00:03.0 --> 00:04.0\nYes.\n\n00:04.0 --> 00:05.0\nYes."
    )
    assert [words for _, _, words in said(text)] == ["No.", "No.", "Yes.", "Yes."]


def test_the_language_of_the_file_name_goes_before_that_of_the_header():
    texts, _ = parse_subtitles(ROLLING.encode(), ".en-US.vtt", language="en-US")
    assert {one.language for one in texts} == {"en-US"}


def test_webvtt_descriptions_are_captions_of_clips():
    texts, _ = parse_subtitles(b"WEBVTT\nKind: descriptions\n\n00:01.0 --> 00:02.0\nA dog runs.", ".vtt")
    assert [one.scale for one in texts] == ["clip"]


@pytest.mark.parametrize(
    ("data", "text", "told"),
    [
        ("caf\xe9 \x93ok\x94".encode("latin-1"), "café “ok”", "not UTF-8: read as cp1252"),
        ("déjà vu été".encode() + b"\xff", "déjà vu été\ufffd", "damaged UTF-8: 1 characters are lost"),
        (b"\x81\x8d", "", "not UTF-8"),
    ],
)
def test_other_encodings_are_read_with_a_warning(data, text, told):
    texts, problems = parse_subtitles(b"00:01.0 --> 00:02.0\n" + data, ".srt")
    assert [one.text for one in texts] == ([text] if text else [])
    assert len(problems) == 1 and problems[0].line == 2 and problems[0].what.startswith(told)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ('<font color="#fff">a</font> <b>c</b>', "a c"),
        ("if a < b and b > c", "if a < b and b > c"),
        ("Tom &amp; Ann &#39;s &lt;i&gt;", "Tom & Ann 's <i>"),
        ("{\\an8\\pos(1,2)}up {y:i}x {keep}", "up x {keep}"),
        ("<00:00:01.500><c.yellow>w</c>", "w"),
    ],
)
def test_tags_and_references_leave_plain_text(line, text):
    assert plain_text(line) == text

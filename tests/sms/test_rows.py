"""Recipients' files in every dress: each line becomes a row or a fault, and no line is lost for what another holds."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sms.errors import Refused
from sms.rows import CsvRows, Fault, JsonRows, Row


def read(rows: CsvRows | JsonRows, data: bytes, piece: int = 7) -> list[Row | Fault]:
    found = [each for at in range(0, len(data), piece) for each in rows.feed(data[at : at + piece])]
    return [*found, *rows.end()]


@pytest.mark.parametrize("piece", [1, 3, 7, 1000])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk"])
def test_csv_in_every_dress_and_any_pieces(encoding: str, piece: int) -> None:
    data = '手机号,text\r\n13900000001,"政策,""新""\n第二行"\r\n13900000002,x\r\n\r\n13900000003,住房公积金'.encode(
        encoding
    )
    found = read(CsvRows(["text"]), data, piece)
    assert found == [
        Row(2, "13900000001", {"text": '政策,"新"\n第二行'}),
        Row(4, "13900000002", {"text": "x"}),
        Row(6, "13900000003", {"text": "住房公积金"}),
    ]


def test_bad_lines_are_marked_with_their_number() -> None:
    found = read(
        CsvRows(["text"]), b"to,text\n13900000001\n13900000002,x,y\n13900000003,\xff\xfe\xfd\n1390000000", 1000
    )
    assert found == [
        Fault(2, "wrong_column_count"), Fault(3, "wrong_column_count"), Fault(4, "wrong_encoding"),
        Fault(5, "wrong_column_count"),
    ]  # fmt: skip


def test_a_line_without_end_is_one_fault_and_does_not_eat_the_memory() -> None:
    for rows, first in ((CsvRows(["text"]), b"to,text\n"), (JsonRows(["text"]), b"\n")):
        assert not list(rows.feed(first + b'13900000001,"'))
        assert not [each for _ in range(100) for each in rows.feed(b"x" * 5000)]
        assert len(rows._open) < 50_000
        assert [*rows.feed(b"\n"), *rows.end()] == [Fault(2, "line_too_long")]


GOOD = [f"1390000{n:04d},第{n}户" for n in range(60)]


@given(st.dictionaries(st.integers(0, 59), st.integers(0, 14), max_size=3), st.integers(1, 900))
def test_a_quote_left_open_loses_no_line_but_its_own(places: dict[int, int], piece: int) -> None:
    lines = [f'{row[: places[n]]}"{row[places[n] :]}' if n in places else row for n, row in enumerate(GOOD)]
    found = read(CsvRows(["text"]), "\n".join(["to,text", *lines]).encode(), piece)
    assert [each.line for each in found] == list(range(2, 62)), "each line is told of, once"
    assert all(isinstance(each, Row) for each in found if each.line - 2 not in places)


def test_many_lines_in_quotes_are_one_row_and_too_many_a_quote_left_open() -> None:
    lines = "\n".join(
        ["to,text,note", '13900000001,a,"1', *"2345", '6"', '13900000002,b,"', *["…"] * 60, "13900000003,c,"]
    )
    found = read(CsvRows(["text"]), lines.encode())
    assert found[0] == Row(2, "13900000001", {"text": "a"}) and found[-1] == Row(69, "13900000003", {"text": "c"})
    assert found[1] == Fault(8, "unclosed_quote") and {each.reason for each in found[2:-1]} == {"wrong_column_count"}


@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_only_line_breaks_break_lines(piece: int) -> None:
    for line_break in ("\n", "\r\n", "\r"):
        data = line_break.join(["to,text", "13900000001,a\x0bb\u2028c\x85d", "", ",", "13900000002,e"])
        assert read(CsvRows(["text"]), data.encode(), piece) == [
            Row(2, "13900000001", {"text": "a\x0bb\u2028c\x85d"}), Row(5, "13900000002", {"text": "e"}),
        ]  # fmt: skip


def test_the_first_that_is_not_ascii_tells_the_encoding_however_late() -> None:
    data = b"to,text\n" + b"13900000001,a\n" * 5000 + "13900000002,住房公积金".encode("gbk")
    rows = CsvRows(["text"])
    assert read(rows, data, 4096)[-1] == Row(5002, "13900000002", {"text": "住房公积金"})
    assert rows.text.encoding == "gb18030"


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("", "empty_file"),
        ("\n\n", "empty_file"),
        ("to,name", "wrong_columns: text"),
        ("to,text,手机号", "doubled_column: to"),
        ("to,text,text", "doubled_column: text"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused_with_what_is_wrong(header: str, reason: str) -> None:
    with pytest.raises(Refused, match=f"^{reason}$"):
        read(CsvRows(["text"]), header.encode())


def test_columns_without_a_name_are_nobodys_concern() -> None:
    rows = CsvRows(["text"])
    assert read(rows, b"\nto,text,,,age\n13900000001,a,,,7") == [Row(3, "13900000001", {"text": "a"})]
    assert rows.ignored == ["age"]


def test_ndjson() -> None:
    lines = ['{"to": "13900000001", "text": "a"}', '{"to": "13900000002", "params": {"text": "b"}}', "", "{", "[1]",
             '{"to": 1}', "[" * 5000, json.dumps({"to": "1", "params": 3})]  # fmt: skip
    assert read(JsonRows(["text"]), "\n".join(lines).encode()) == [
        Row(1, "13900000001", {"text": "a"}), Row(2, "13900000002", {"text": "b"}), Fault(4, "not_json"),
        Fault(5, "no_number"), Fault(6, "no_number"), Fault(7, "not_json"), Fault(8, "wrong_params"),
    ]  # fmt: skip

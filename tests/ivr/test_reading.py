"""Written figures, read aloud."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.reading import reading


@pytest.mark.parametrize(
    ("written", "heard"),
    [
        ("查询个人账户请按1。", "查询个人账户请按一。"),
        ("人工服务请按0。", "人工服务请按零。"),
        ("拨打0511-12329或12329", "拨打零五幺幺,幺二三二九或幺二三二九"),
        ("在线客服0511-85212579。", "在线客服零五幺幺,八五二幺,二五七九。"),
        ("手机13900000001。", "手机幺三九,零零零零,零零零幺。"),
        ("9位公积金账号,或18位身份证", "九位公积金账号,或十八位身份证"),
        ("再试2次,第2次", "再试两次,第二次"),
        ("12个工作日,2个工作日", "十二个工作日,两个工作日"),
        ("3-5个工作日", "三至五个工作日"),
        ("2026年3月2日起", "二零二六年三月二日起"),
        ("2026年3月起,2025年", "二零二六年三月起,二零二五年"),
        ("上午8:30至下午17:00", "上午八点三十分至下午十七点"),
        ("利率2.6%,20%", "利率百分之二点六,百分之二十"),
        ("1500元,100000元,1,500元,2元", "一千五百元,十万元,一千五百元,两元"),
        ("1.5万元", "一点五万元"),
        ("2万元,2小时,12万元,1.2万元,第2小区", "两万元,两小时,十二万元,一点二万元,第二小区"),
        ("9:00-12:00,13:30 ~ 17:00,8:30—11:30", "九点至十二点,十三点三十分至十七点,八点三十分至十一点三十分"),
        ("3月1日-5日,1月—3月,2.6%-3.1%", "三月一日至五日,一月至三月,百分之二点六至百分之三点一"),
        ("2026-03-02起,2026-13-02", "二零二六年三月二日起,2026-13-02"),
        ("拨打400-888-1234", "拨打四零零,八八八,幺二三四"),
        ("住房公积金——您的保障", "住房公积金——您的保障"),
        ("按#键或按*", "按井号键或按星号键"),
        ("2026年13月", "2026年13月"),
        ("没有数字", "没有数字"),
    ],
)
def test_mandarin(written: str, heard: str) -> None:
    assert reading(written) == heard


@pytest.mark.parametrize(
    ("written", "heard"),
    [
        ("Call 0511-12329 or 12329.", "Call zero five one one, one two three two nine or one two three two nine."),
        ("Press 1, or 10,000 yuan, or 3.14159", "Press 1, or 10,000 yuan, or 3.14159"),
    ],
)
def test_english(written: str, heard: str) -> None:
    assert reading(written, "en") == heard


@given(st.text("0123456789.,:%-年月日元个#* a", max_size=30), st.sampled_from(["zh", "en"]))
def test_any_text_can_be_read(text: str, language: str) -> None:
    reading(text, language)  # type: ignore[arg-type]

"""The demo's people and employers: who they are, apart from their money. All made up, and visibly so.

Names, numbers and PINs are the same on every day; only dates move with `today`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import sha256
from random import Random

from stdnum.cn import ric

from fund.weak_pins import is_weak

EMPLOYEES = 1000
EMPLOYERS = 40
DISTRICTS = {"市直": "321102", "丹徒": "321112", "丹阳": "321181", "扬中": "321182", "句容": "321183"}

_SURNAMES = (
    "张李王赵刘陈杨黄周吴徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈"
    "姚卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤"
)
_GIVEN = ("示例", "样本", "演示", "测试", "假名", "虚构", "例子", "模拟", "试用", "代称")
_TRADES = ("机械厂", "中学", "医院", "软件公司", "酒店", "物流公司", "设计院", "超市")


@dataclass(frozen=True)
class Who:
    """An employee before their money. `special` says why one of the featured few is worth a try."""

    index: int
    account: str
    name: str
    id_card: str
    birth: date
    phone: str
    bound: bool
    pin: str | None
    state: str  # code of GRZHZT
    employer: int  # index of the employer
    special: str = ""


@dataclass(frozen=True)
class Unit:
    """An employer before its people."""

    index: int
    account: str
    name: str
    district: str
    state: str  # code of DWZHZT
    rate: int  # per cent, of either side
    months_behind: int
    pays_on: int  # day of the month
    handler: str
    handler_phone: str
    certificate_offset_days: int | None  # from today; None: no certificate
    pin: str


@dataclass(frozen=True)
class _Special:
    """How one of the featured few differs from what the dice would give."""

    why: str
    bound: bool = True
    born: date = date(1985, 6, 18)
    state: str = "01"
    pin: str | None = ""  # empty: derived like everybody's; None: never set
    phone_of: int = 0  # shares the phone of this person


_FEATURED = {
    1: _Special("绑定手机；正常缴存；有贷款，三天后还款", pin="135790"),
    2: _Special("未绑定手机；正常缴存；无贷款", bound=False, born=date(1990, 11, 3), pin="246801"),
    3: _Special("绑定手机；65 岁以上", born=date(1955, 4, 12)),
    4: _Special("绑定手机；贷款有逾期", born=date(1982, 9, 27)),
    5: _Special("绑定手机；账户封存", born=date(1979, 2, 14), state="02"),
    6: _Special("未绑定手机；账户冻结", bound=False, born=date(1975, 12, 30), state="06"),
    7: _Special("绑定手机；已销户提取", born=date(1963, 8, 8), state="05"),
    8: _Special("未绑定手机；已转出销户", bound=False, born=date(1988, 1, 21), state="04"),
    9: _Special("绑定手机；刚开户三个月", born=date(2003, 7, 15)),
    10: _Special("绑定手机；尚未设置查询密码", born=date(1993, 5, 6), pin=None),
    11: _Special("与另一人绑定同一手机", born=date(1980, 10, 10)),
    12: _Special("与另一人绑定同一手机", born=date(1981, 3, 19), phone_of=11),
}
FEATURED = len(_FEATURED)
BORROWER, DEBTOR, NEWCOMER = 1, 4, 9  # featured for their loan, their arrears, their short history


def who(index: int) -> Who:
    """Employee `index`, 1 to `EMPLOYEES`."""
    dice = Random(index)
    born = date(1946, 1, 1) + timedelta(days=dice.randrange(21_184))  # to 2003-12-31: 22 to 80 years old in 2026
    drawn = _Special("", dice.random() < 0.6, born, _state(dice, born))
    special = _FEATURED.get(index, drawn)
    employer = _employer(dice, index)
    account = f"321{index:06d}"
    id_card = _id_card(index, special.born, unit(employer).district)
    return Who(
        index,
        account,
        _name(index - 1),
        id_card,
        special.born,
        f"1390000{special.phone_of or index:04d}",
        special.bound,
        special.pin if special.pin != "" else _pin(account, id_card, special.born),
        special.state,
        employer,
        special.why,
    )


def _name(place: int) -> str:
    """A hundred surnames, then the same with the next given name: no two people are called the same."""
    return _SURNAMES[place % 100] + _GIVEN[(place + place // 100) % 10]


def everybody() -> Iterator[Who]:
    return map(who, range(1, EMPLOYEES + 1))


def _state(dice: Random, born: date) -> str:
    """Mostly 正常; who has retired has mostly taken the money."""
    if born.year < 1964:
        return dice.choices(("01", "02", "05"), (2, 3, 5))[0]
    return dice.choices(("01", "02", "03", "04", "05", "06", "99"), (87, 6, 1, 2, 2, 1.5, 0.5))[0]


def _employer(dice: Random, index: int) -> int:
    """The first few employers are large; the last five, none of them simply 正常, have nobody."""
    return 1 if index <= 2 else min(dice.randrange(1, EMPLOYERS - 4), dice.randrange(1, EMPLOYERS - 4))


def _id_card(index: int, born: date, district: str) -> str:
    body = f"{DISTRICTS[district]}{born:%Y%m%d}{index % 1000:03d}"
    return body + ric.calc_check_digit(body + "0")  # it wants a whole number, and looks at its first 17


def _pin(account: str, id_card: str | None, birth: date | None) -> str:
    """A PIN that is the same every time, and that a person would have been allowed to choose."""
    for turn in range(1000):
        pin = f"{int(sha256(f'demo {account} {turn}'.encode()).hexdigest(), 16) % 1_000_000:06d}"
        if not is_weak(pin, account, id_card, birth):
            return pin
    raise AssertionError("a thousand weak PINs in a row")


# Employers that are not simply 正常: (state, months behind)
_TROUBLED = {
    2: ("01", 2),
    9: ("01", 1),
    17: ("01", 3),
    23: ("03", 0),  # allowed to defer
    36: ("02", 0),  # opened, nobody signed up yet
    37: ("04", 0),
    38: ("05", 0),
    39: ("05", 0),
    40: ("99", 0),
}


_SAME_HANDLER = {12: 11}  # one handler may look after several employers


def unit(index: int) -> Unit:
    """Employer `index`, 1 to `EMPLOYERS`."""
    district = list(DISTRICTS)[(index - 1) % len(DISTRICTS)]
    state, behind = _TROUBLED.get(index, ("01", 0))
    handler = _SAME_HANDLER.get(index, index)
    account = f"{(index - 1) % len(DISTRICTS) + 1}{index:07d}"
    return Unit(
        index,
        account,
        f"{district}示例{_TRADES[(index - 1) % len(_TRADES)]}{(index - 1) // len(_TRADES) + 1}",
        district,
        state,
        5 + index % 8,
        behind,
        5 + index * 7 % 20,
        f"{_SURNAMES[handler + 40]}经办",
        f"1390000{2000 + handler}",
        index * 9 - 8 if index % 10 else None,
        _pin(account, None, None),
    )

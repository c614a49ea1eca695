"""Who somebody is to the fund: an employee with an account, or an employer with one."""

from dataclasses import dataclass
from datetime import date
from typing import Literal

from fund import codes
from fund.privacy import mask_number
from fund.statements import Row
from fund.views import EMPLOYEE

Kind = Literal[
    "employee",  # a person with an account of their own
    "employer",  # a unit that deposits for its people
]


@dataclass(frozen=True, slots=True, repr=False)
class Person:
    """An account and whom to tell about it. Its repr shows the last 4 digits of the account and nothing else."""

    kind: Kind
    account: str
    name: str
    state: str  # 正常, 封存 ...
    id_card: str | None = None  # 18 characters; employers have none
    phone: str | None = None  # the bound one, else the contact in the ledger; an employer's handler's
    bound: bool = False  # the phone was proven with a code at sign-up, so it may stand for the account number
    birth: date | None = None
    employer: str | None = None  # the account of an employee's employer

    def __repr__(self) -> str:
        return f"<{self.kind} {mask_number(self.account)}>"

    def age(self, on: date) -> int | None:
        """Whole years on a day; None when the birth date is unknown."""
        if self.birth is None:
            return None
        return on.year - self.birth.year - ((on.month, on.day) < (self.birth.month, self.birth.day))


EMPLOYEE_COLUMNS = tuple(EMPLOYEE.c[key] for key in ("grzh", "xingming", "zjhm", "sjhm", "bdsjhm", "grzhzt", "dwzh"))


def employee(row: Row) -> Person:
    """From `EMPLOYEE_COLUMNS`."""
    return Person(
        kind="employee",
        account=row["grzh"],
        name=row["xingming"] or "",
        state=codes.words(codes.ACCOUNT_STATE, row["grzhzt"]),
        id_card=row["zjhm"],
        phone=row["bdsjhm"] or row["sjhm"],
        bound=row["bdsjhm"] is not None,
        birth=birth_of(row["zjhm"]),
        employer=row["dwzh"],
    )


def employer(row: Row) -> Person:
    """From the columns of `views.EMPLOYER`."""
    return Person(
        kind="employer",
        account=row["dwzh"],
        name=row["dwmc"] or "",
        state=codes.words(codes.EMPLOYER_STATE, row["dwzhzt"]),
        phone=row["jbrsjhm"],
    )


def birth_of(id_card: str | None) -> date | None:
    """The birth date inside an ID number; None when there is none."""
    try:
        return date.fromisoformat((id_card or "")[6:14])
    except ValueError:
        return None

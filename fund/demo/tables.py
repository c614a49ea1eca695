"""The demo ledger's own tables, shaped as a core system might be: money in whole fen, months as yyyymm.

`fund/views.sql` puts the documented views over them, as a centre's DBA would over theirs.
"""

from importlib.resources import files

from sqlalchemy import BigInteger, Column, Date, Index, Integer, MetaData, String, Table

metadata = MetaData()

EMPLOYER = Table(
    "demo_employer",
    metadata,
    Column("account", String(8), primary_key=True),
    Column("name", String(100), nullable=False),
    Column("district", String(10), nullable=False),
    Column("state", String(2), nullable=False),
    Column("employers_rate", Integer, nullable=False),  # hundredths of a per cent
    Column("employees_rate", Integer, nullable=False),
    Column("heads", Integer, nullable=False),
    Column("monthly", BigInteger, nullable=False),
    Column("paid_to", String(6)),
    Column("months_behind", Integer, nullable=False),
    Column("handler", String(50), nullable=False),
    Column("handler_phone", String(11), nullable=False),
    Column("certificate_ends", Date),
)

EMPLOYEE = Table(
    "demo_employee",
    metadata,
    Column("account", String(9), primary_key=True),
    Column("name", String(50), nullable=False),
    Column("id_card", String(18), nullable=False, index=True),
    Column("phone", String(11)),
    Column("bound_phone", String(11), index=True),
    Column("state", String(2), nullable=False),
    Column("base", BigInteger, nullable=False),
    Column("mine", BigInteger, nullable=False),
    Column("employers", BigInteger, nullable=False),
    Column("balance", BigInteger, nullable=False),
    Column("carried", BigInteger, nullable=False),
    Column("paid_to", String(6)),
    Column("employer", String(8)),
    Column("as_of", Date, nullable=False),
)

DETAIL = Table(
    "demo_detail",
    metadata,
    Column("account", String(9), nullable=False),
    Column("serial", String(12), nullable=False),
    Column("day", Date, nullable=False),
    Column("kind", String(2), nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("balance", BigInteger, nullable=False),
    Column("month", String(6)),
    Index("demo_detail_lines", "account", "day"),
    Index("demo_detail_days", "day", "kind"),
)

LOAN = Table(
    "demo_loan",
    metadata,
    Column("loan", String(12), primary_key=True),
    Column("account", String(9), nullable=False, index=True),
    Column("contract", String(16), nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("balance", BigInteger, nullable=False),
    Column("rate", Integer, nullable=False),  # hundredths of a per cent a year
    Column("periods", Integer, nullable=False),
    Column("periods_left", Integer, nullable=False),
    Column("method", String(2), nullable=False),
    Column("next_day", Date, index=True),
    Column("next_amount", BigInteger, nullable=False),
    Column("overdue", Integer, nullable=False),
    Column("overdue_principal", BigInteger, nullable=False),
    Column("overdue_interest", BigInteger, nullable=False),
)

REPAYMENT = Table(
    "demo_repayment",
    metadata,
    Column("loan", String(12), nullable=False, index=True),
    Column("serial", String(12), nullable=False),
    Column("day", Date, nullable=False),
    Column("kind", String(2), nullable=False),
    Column("principal", BigInteger, nullable=False),
    Column("interest", BigInteger, nullable=False),
    Column("penalty", BigInteger, nullable=False),
    Column("period", Integer, nullable=False),
    Column("balance", BigInteger, nullable=False),
)


def views() -> list[str]:
    """The statements of `fund/views.sql`, without their comments."""
    lines = (line.partition("--")[0].rstrip() for line in files("fund").joinpath("views.sql").read_text().splitlines())
    return [statement for statement in "\n".join(lines).split(";") if statement.strip()]

"""What SQLite and PostgreSQL say differently, once: hours and days of China, seconds between two moments, medians."""

from typing import Any

from sqlalchemy import ColumnElement, Float, Integer, String, func, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class china_hour(FunctionElement[int]):
    """0 to 23, of a moment."""

    type = Integer()
    inherit_cache = True


class china_day(FunctionElement[str]):
    """`2026-03-02`, of a moment."""

    type = String()
    inherit_cache = True


class seconds_between(FunctionElement[float]):
    """From the first moment to the second, to the millisecond."""

    type = Float()
    inherit_cache = True


class flow_file(FunctionElement[str]):
    """`loan`, of the node `loan/start`."""

    type = String()
    inherit_cache = True


def _args(element: FunctionElement[Any], compiler: SQLCompiler, **options: Any) -> list[str]:
    return [compiler.process(clause, **options) for clause in element.clauses]


def _both(kind: type, sqlite: str, postgresql: str) -> None:
    """How a function is written on each engine: `{0}`, `{1}` are its arguments."""

    def write(template: str) -> Any:
        return lambda element, compiler, **options: template.format(*_args(element, compiler, **options))

    compiles(kind, "sqlite")(write(sqlite))
    compiles(kind, "postgresql")(write(postgresql))


_both(
    china_hour,
    "CAST(strftime('%H', {0}, '+8 hours') AS INTEGER)",
    "CAST(extract(hour FROM {0} AT TIME ZONE 'Asia/Shanghai') AS INTEGER)",
)
_both(
    china_day,
    "strftime('%Y-%m-%d', {0}, '+8 hours')",
    "to_char({0} AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM-DD')",
)
_both(
    seconds_between,
    "round((julianday({1}) - julianday({0})) * 86400.0, 3)",
    "CAST(round(extract(epoch FROM ({1} - {0})), 3) AS DOUBLE PRECISION)",
)
_both(flow_file, "substr({0}, 1, instr({0}, '/') - 1)", "split_part({0}, '/', 1)")


def medians(group: ColumnElement[Any], value: ColumnElement[float], where: tuple[Any, ...], source: Any) -> Any:
    """`SELECT what, median`: the middle value of each group, or half-way between the middle two."""
    order = func.row_number().over(partition_by=group, order_by=value)
    size = func.count().over(partition_by=group)
    ranked = (
        select(group.label("what"), value.label("value"), order.label("r"), size.label("size"))
        .select_from(source)
        .where(value.is_not(None), *where)
        .subquery()
    )
    middle = ranked.c.r.in_(((ranked.c.size + 1) // 2, (ranked.c.size + 2) // 2))
    return select(ranked.c.what, func.avg(ranked.c.value).label("median")).where(middle).group_by(ranked.c.what)

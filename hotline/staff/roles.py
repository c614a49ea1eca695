"""The four roles, each including those before it."""

from typing import Literal, get_args

Role = Literal[
    "viewer",  # sees queues and figures, nobody's data
    "agent",  # takes calls, works on orders and call-backs; personal data masked but for their own call
    "supervisor",  # sees personal data, assigns work, switches the bulletin
    "administrator",  # says who the staff are, and reads the trail
]
ROLES: tuple[Role, ...] = get_args(Role)
TITLES: dict[Role, str] = {"viewer": "查看员", "agent": "坐席", "supervisor": "主管", "administrator": "管理员"}


def reaches(role: str, wanted: Role) -> bool:
    """Whether somebody with `role` may do what takes `wanted`. A role nobody knows reaches nothing."""
    return role in ROLES and ROLES.index(role) >= ROLES.index(wanted)

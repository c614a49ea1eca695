"""One file a subject; each gives its pages as a list."""

from hotline.staff.roles import Role

# The way round: path, label, the least role that sees it.
NAVIGATION: list[tuple[str, str, Role]] = [
    ("", "首页", "viewer"),
    ("/people", "人员", "administrator"),
    ("/trail", "审计", "administrator"),
]

"""One file a subject; each gives its pages as a list."""

from hotline.staff.roles import Role

# The way round: path, label, the least role that sees it.
NAVIGATION: list[tuple[str, str, Role]] = [
    ("", "首页", "viewer"),
    ("/agent", "坐席台", "agent"),
    ("/queues", "队列", "viewer"),
    ("/calls", "来电", "agent"),
    ("/orders", "工单", "agent"),
    ("/callbacks", "回电", "agent"),
    ("/bulletin", "公告", "supervisor"),
    ("/figures", "统计", "viewer"),
    ("/people", "人员", "administrator"),
    ("/trail", "审计", "administrator"),
]

"""What the pages say: Chinese in the templates, English in `english.yaml`, the closed lists of notices here."""

from pathlib import Path

import yaml

DONE = {
    "saved": "已保存。",
    "password_set": "密码已设置,请登录。",
    "signed_out": "已退出。",
    "disabled": "已停用,登录立即失效。",
}
FAULTS = {
    "wrong": "用户名或密码不正确。",
    "locked": "尝试次数过多,请 15 分钟后再试。",
    "differs": "两次输入的密码不一致。",
    "password_length": "密码至少 12 个、最多 128 个字符。",
    "password_weak": "密码太容易猜到,请换一个。",
    "link_over": "链接已失效或已使用,请管理员重新发送。",
    "bad_name": "用户名只能用文字、数字和 - _ .,最多 40 个字。",
    "bad_role": "没有这个角色。",
    "bad_seat": "坐席号只能用字母、数字和 - _。",
    "name_taken": "这个用户名正在被使用,请重试。",
    "no_such_staff": "没有这个人员。",
    "last_administrator": "这是最后一位管理员,不能停用或更改角色。",
    "denied": "您的角色不能使用这个页面。",
    "forged": "页面已过期,请返回上一页刷新后重试。",
    "signed_out": "登录已结束,请重新登录。",
    "unavailable": "系统暂时不可用,请稍后再试。",
}
ACTIONS = {
    "sign_in": "登录",
    "sign_in_failed": "登录失败",
    "sign_in_locked": "登录被锁定",
    "sign_out": "退出",
    "password_set": "设置密码",
    "staff.invite": "邀请",
    "staff.change": "更改角色或坐席",
    "staff.disable": "停用",
    "denied": "拒绝访问",
    "forged": "拒绝表单",
}
ENGLISH: dict[str, str] = yaml.safe_load((Path(__file__).parent / "english.yaml").read_text("utf-8"))


LISTED: list[str] = []  # texts that code names and no template


def say(text: str, language: str) -> str:
    """A Chinese text in the visitor's language; what has no English stays as it is."""
    return ENGLISH.get(text, text) if language == "en" else text

"""What the pages say: Chinese in the templates, English in `english.yaml`, the closed lists of notices here."""

from pathlib import Path

import yaml

DONE = {
    "saved": "已保存。",
    "password_set": "密码已设置，请登录。",
    "signed_out": "已退出。",
    "disabled": "已停用，登录立即失效。",
    "asked_already": "这个号码已经有一个未结束的回电请求，保留原来的次序。",
    "bulletin_on": "公告已开启。",
    "bulletin_off": "公告已关闭。",
}
FAULTS = {
    "wrong": "用户名或密码不正确。",
    "locked": "尝试次数过多，请 15 分钟后再试。",
    "differs": "两次输入的密码不一致。",
    "password_length": "密码至少 12 个、最多 128 个字符。",
    "password_weak": "密码太容易猜到，请换一个。",
    "link_over": "链接已失效或已使用，请管理员重新发送。",
    "bad_name": "用户名只能用文字、数字和 - _ .，最多 40 个字。",
    "bad_role": "没有这个角色。",
    "bad_seat": "坐席号只能用字母、数字和 - _。",
    "name_taken": "这个用户名正在被使用，请重试。",
    "no_such_staff": "没有这个人员。",
    "last_administrator": "这是最后一位管理员，不能停用或更改角色。",
    "no_such_call": "没有这个来电。",
    "no_such_order": "没有这个工单。",
    "no_such_recording": "没有这个录音，可能已超过保存期限。",
    "no_recording": "没有这个录音，可能已超过保存期限。",
    "no_such_callback": "没有这个回电请求。",
    "closed_already": "这个回电请求已经结束，没有再更改。",
    "no_such_report": "没有这个报表。",
    "no_seat": "您还没有坐席号，请管理员在人员页设置。",
    "exchange": "电话交换机没有接受，请稍后再试。",
    "no_voice": "语音合成暂时不可用，请稍后再试。",
    "bad_choice": "没有这个选项，或您不能这样做。",
    "bad_number": "号码无法识别，请填写手机号码或带区号的固定电话。",
    "bad_period": "日期颠倒，或超过 366 天。",
    "not_yours": "只有办理人和主管可以这样做。",
    "not_from_here": "工单现在的状态不能这样转。",
    "outcome_needed": "请填写答复来电人的话。",
    "too_long": "内容太长，请缩短。",
    "too_many_orders": "今天的工单编号已用完，请稍后再试。",
    "denied": "您的角色不能使用这个页面。",
    "forged": "页面已过期，请返回上一页刷新后重试。",
    "signed_out": "登录已结束，请重新登录。",
    "unavailable": "系统暂时不可用，请稍后再试。",
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
    "look.call": "查看来电",
    "look.call_masked": "查看来电（脱敏）",
    "look.order": "查看工单内容",
    "look.callback": "查看回电号码",
    "listen.order": "收听录音",
    "listen.call": "收听通话录音",
    "order.open": "登记工单",
    "order.take": "领取工单",
    "order.assign": "分派工单",
    "order.note": "工单备注",
    "order.priority": "工单优先级",
    "order.move": "工单状态",
    "callback.ask": "登记回电",
    "callback.close": "结束回电",
    "bulletin.on": "开启公告",
    "bulletin.off": "关闭公告",
    "seat.log_in": "登录队列",
    "seat.log_out": "退出队列",
    "seat.pause": "暂停接听",
    "seat.unpause": "恢复接听",
    "denied": "拒绝访问",
    "forged": "拒绝表单",
}
ENGLISH: dict[str, str] = yaml.safe_load((Path(__file__).parent / "english.yaml").read_text("utf-8"))


def say(text: str, language: str) -> str:
    """A Chinese text in the visitor's language; what has no English stays as it is."""
    return ENGLISH.get(text, text) if language == "en" else text

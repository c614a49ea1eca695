"""What goes wrong, as RFC 9457 problem documents: a word for machines, a sentence that says what to do."""

from typing import Any

import aiohttp
from aiohttp import web
from pydantic import BaseModel, Field

from sms.errors import Refused, TryLater


class FieldFault(BaseModel):
    """One thing wrong with one field."""

    field: str
    reason: str


class ProblemDocument(BaseModel):
    """RFC 9457. `type` ends in the word to decide by."""

    type: str = Field(examples=["urn:hotline:problem:bad_number"])
    title: str
    status: int
    detail: str = ""
    errors: list[FieldFault] = []


class Problem(Exception):
    """Answer with a problem document. `word` is what the caller's program decides by."""

    def __init__(
        self, status: int, word: str, detail: str = "", *, retry_after: float | None = None,
        errors: list[FieldFault] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(word)
        self.status = status
        self.word = word
        self.detail = detail or DETAILS.get(word, "")
        self.retry_after = retry_after
        self.errors = errors or []

    def response(self) -> web.Response:
        document = ProblemDocument(
            type=f"urn:hotline:problem:{self.word}",
            title=self.word.replace("_", " "),
            status=self.status,
            detail=self.detail,
            errors=self.errors,
        )
        headers = {} if self.retry_after is None else {"Retry-After": str(max(1, round(self.retry_after + 0.5)))}
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        body = document.model_dump_json(exclude_defaults=True).encode()
        return web.Response(status=self.status, body=body, content_type="application/problem+json", headers=headers)


def of(fault: Refused | TryLater) -> Problem:
    """The problem a fault of the text side is to an API caller."""
    word, _, rest = fault.reason.partition(": ")
    if isinstance(fault, TryLater):
        return Problem(429, word, retry_after=fault.after_seconds)
    detail = DETAILS.get(word, "")
    status = {"no_voice_channel": 501, "template_not_allowed": 403, "not_found": 404, "wrong_state": 409}.get(word, 422)
    return Problem(status, word, f"{detail}({rest})" if rest else detail)


async def body_of(request: web.Request) -> bytes:
    """What was posted. Raises `Problem` when it is too large, or not packed as its headers say."""
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise Problem(413, "too_large") from None
    except (aiohttp.ClientPayloadError, aiohttp.http_exceptions.HttpProcessingError, web.RequestPayloadError):
        raise Problem(400, "unreadable") from None


# What to do, in the language of the people who read it.
DETAILS: dict[str, Any] = {
    "bad_number": "号码无法识别，请填写 11 位手机号码。",
    "not_mobile": "只能向手机号码发送短信。",
    "abroad": "该国家或地区的号码未开通，请联系管理员。",
    "unknown_template": "没有这个模板，请核对模板编号。",
    "template_not_allowed": "此密钥不可使用该模板。",
    "missing_param": "缺少模板参数。",
    "extra_param": "模板没有这个参数。",
    "bad_param": "模板参数的格式不对。",
    "unknown_purpose": "没有这种验证码用途。",
    "no_voice_channel": "语音验证码尚未开通，请改用短信。",
    "exchange_away": "电话交换机暂时没有连上，请稍后重试，或改用短信。",
    "lines_busy": "外呼线路已占满，请稍后重试，或改用短信。",
    "bad_address": "ip 不是有效的地址。",
    "too_soon": "刚刚发送过，请稍后再试。",
    "too_many_sends": "该号码发送次数过多，请稍后再试。",
    "too_many_wrong_codes": "该号码输错次数过多，请稍后再试。",
    "address_limit": "该地址请求过多，请稍后再试。",
    "network_limit": "该网段请求过多，请稍后再试。",
    "client_limit": "今日发送量已达上限，请联系管理员。",
    "conversion_too_low": "验证码使用率异常偏低，已暂停发送，请检查是否被恶意刷取。",
    "no_key": "请在 Authorization 头中提供 Bearer 密钥。",
    "wrong_key": "密钥无效或已注销。",
    "wrong_scope": "此密钥没有该权限。",
    "too_fast": "请求过于频繁，请稍后再试。",
    "too_large": "请求内容过大。",
    "unreadable": "请求内容无法解码，请核对 Content-Encoding 等请求头。",
    "not_json": "请求内容不是有效的 JSON。",
    "invalid": "请求内容不符合要求，详见 errors。",
    "ledger_away": "账务系统暂时没有响应，请稍后重试；带同一 key 重试不会重复发送。",
    "missing_data": "data 缺少账务系统也查不到的内容，详见 errors。",
    "not_found": "没有找到。",
    "wrong_state": "当前状态不能执行该操作。",
    "not_a_list": "请以 text/csv 或 application/x-ndjson 上传名单，不要压缩（Content-Encoding）。",
    "cut_off": "文件没有传完，请重新上传；已传部分不会发送。",
    "not_for_campaigns": "验证码模板不能群发。",
    "too_many_faults": "名单中不可用的行太多，请检查文件是否正确；没有发送任何短信。",
    "wrong_columns": "名单缺少这些列：",
    "doubled_column": "名单有重复的列名。",
    "empty_file": "名单是空的。",
    "bad_period": "日期颠倒，或超过 366 天。",
    "no_such_path": "没有这个接口，请核对地址。",
    "wrong_method": "该接口不支持这种请求方法，支持的见 Allow。",
    "no_such_call": "没有这个来电。",
    "no_receipts_here": "该服务商不在此地址推送回执。",
    "no_inbound_here": "该服务商不在此地址推送上行短信。",
    "our_fault": "系统出了错，已记入日志；带同一 key 重试不会重复发送。",
    "unavailable": "系统暂时不可用，请稍后重试；带同一 key 重试不会重复发送。",
    "too_late": "验证码已经失效，不能再发；请重新获取。",
    "no_text": "内容已按期清除或无法解密，不能再发。",
    "forged": "签名、密钥或来源地址不符。",
}

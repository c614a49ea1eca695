"""/v1/verifications: send a code to a phone, check what its owner types."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from hotline.api.problems import Problem
from hotline.api.routes import Answer, Call, Route
from hotline.text import TextService
from sms.codes import Channel, Checked, State


class VerificationRequest(BaseModel):
    """A code, please."""

    model_config = ConfigDict(extra="forbid")

    to: str = Field(max_length=64, examples=["13900000001"])
    purpose: str = Field(max_length=32, examples=["bind_phone"], description="a code for one purpose fits no other")
    channel: Channel = "sms"
    ip: str | None = Field(None, max_length=45, description="the address of the person asking, for limits")


class VerificationAnswer(BaseModel):
    """The code is on its way; asking again within its life sends the same one."""

    id: str
    status: State
    to_masked: str
    expires_at: datetime
    resend_after: datetime


class CheckRequest(BaseModel):
    """What was typed."""

    model_config = ConfigDict(extra="forbid")

    code: str = Field(max_length=16, examples=["123456"])


class CheckAnswer(BaseModel):
    """Whether it is right. `approved` comes once."""

    status: State
    attempts_left: int
    detail: str | None = Field(
        None, description="why it is not good any more, for people to read", exclude_if=lambda detail: detail is None
    )


def routes(text: TextService) -> list[Route]:
    """The operations on verifications."""

    async def begin(call: Call) -> Answer:
        asked: VerificationRequest = call.body
        call.client.check_template(text.codes.template(asked.purpose))
        begun = await text.codes.begin(call.client.name, asked.to, asked.purpose, asked.ip, asked.channel)
        answer = VerificationAnswer.model_validate(begun, from_attributes=True)
        return Answer(201, answer)

    async def check(call: Call) -> Answer:
        checked = await text.codes.check(call.client.name, call.path["id"], call.body.code.strip())
        if checked is None:
            raise Problem(404, "not_found")
        told = _told(checked)
        return Answer(200, CheckAnswer(status=checked.status, attempts_left=checked.attempts_left, detail=told))

    return [
        Route(
            "POST", "/v1/verifications", "codes", "Send a code", begin, {201: VerificationAnswer}, VerificationRequest,
            problems=[501],
        ),
        Route(
            "POST", "/v1/verifications/{id}/check", "codes", "Check a code", check, {200: CheckAnswer}, CheckRequest,
            problems=[404],
        ),
    ]  # fmt: skip


def _told(checked: Checked) -> str | None:
    match checked.status:
        case "expired":
            return "验证码已使用过，请重新获取。" if checked.used else "验证码已过期，请重新获取。"
        case "exhausted":
            return "输错次数过多，请重新获取验证码。"
    return None

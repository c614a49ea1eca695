"""The providers there are: one line each."""

from sms.providers.aliyun import Aliyun
from sms.providers.base import Provider
from sms.providers.sandbox import Sandbox
from sms.providers.smpp import Smpp
from sms.providers.tencent import Tencent
from sms.providers.twilio import Twilio

PROVIDERS: dict[str, type[Provider]] = {
    "sandbox": Sandbox,
    "twilio": Twilio,
    "aliyun": Aliyun,
    "tencent": Tencent,
    "smpp": Smpp,
}

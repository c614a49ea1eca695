"""Every setting, from `HOTLINE_*` in the environment or `.env`; `.env.example` lists them all.

Faults are reported all at once at start. The embedded default needs none: keys are made on first use and kept in
`HOTLINE_HOME` (`var/`), readable by the owner only.
"""

import contextlib
import ipaddress
import os
import secrets
from collections.abc import Callable
from datetime import time
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from cryptography.fernet import Fernet
from dotenv import dotenv_values
from pydantic import AfterValidator, BaseModel, Field, SecretStr, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings import PydanticBaseSettingsSource as Source
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from fund.privacy import Privacy
from fund.setting_faults import LocalTime, Wrong, told
from ivr.lines.twilio_settings import TwilioVoiceSettings
from sms.callbacks import secret_bytes
from sms.settings import TextSettings


def _network(written: str) -> str:
    try:
        return str(ipaddress.ip_network(written, strict=False))
    except ValueError:
        raise Wrong(("", "应是 IP 地址或地址段，如 10.0.0.0/8", "an address or network such as 10.0.0.0/8")) from None


def _http(written: str) -> str:
    if written and not written.startswith(("http://", "https://")):
        raise Wrong(("", "网址要以 http:// 或 https:// 开头", "an address that begins with http:// or https://"))
    return written


def _webhook_secret(written: SecretStr) -> SecretStr:
    try:
        fits = len(secret_bytes(written.get_secret_value())) >= 24
    except ValueError:
        fits = False
    if written.get_secret_value() and not fits:
        zh = "应是 whsec_ 加上至少 24 个随机字节的 base64"
        raise Wrong(("", zh, "whsec_ and at least 24 random bytes in base64"))
    return written


def _pepper(written: SecretStr) -> SecretStr:
    if 0 < len(written.get_secret_value()) < 32:
        raise Wrong(("", "要有 32 个以上的随机字符", "32 or more random characters"))
    return written


def _fernet_keys(written: SecretStr) -> SecretStr:
    try:
        [Fernet(key.strip()) for key in written.get_secret_value().split(",") if written.get_secret_value()]
    except ValueError:
        zh = "应是 Fernet 密钥：每个是 32 个随机字节的 URL 安全 base64，用逗号隔开"
        en = "Fernet keys: 32 random bytes in URL-safe base64 each, separated by commas"
        raise Wrong(("", zh, en)) from None
    return written


def _database(written: str) -> str:
    """The address with our driver, which most people leave out."""
    scheme, _, rest = written.partition("://")
    written = f"{DRIVERS[scheme]}://{rest}" if scheme in DRIVERS else written
    if written and not written.startswith(DATABASES):
        zh, en = f"要以 {' 或 '.join(DATABASES)} 开头", f"an address that begins with {' or '.join(DATABASES)}"
        raise Wrong(("", zh, en))
    try:
        if written:
            make_url(written)
    except (ArgumentError, ValueError):
        zh = "地址写法不对，应像 postgresql+asyncpg://用户:密码@主机:5432/库"
        raise Wrong(("", zh, "an address such as postgresql+asyncpg://user:password@host:5432/name")) from None
    return written


DATABASES = ("postgresql+asyncpg://", "sqlite+aiosqlite:///")
DRIVERS = {"postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg", "sqlite": "sqlite+aiosqlite"}
DatabaseAddress = Annotated[str, AfterValidator(_database)]
Pepper = Annotated[SecretStr, AfterValidator(_pepper)]
FernetKeys = Annotated[SecretStr, AfterValidator(_fernet_keys)]
Network = Annotated[str, AfterValidator(_network)]
HttpAddress = Annotated[str, AfterValidator(_http)]
WebhookSecret = Annotated[SecretStr, AfterValidator(_webhook_secret)]


class OrderSettings(BaseModel):
    """Work orders, and the messages they come from."""

    forward_days: int = Field(1, ge=0, description="working days until an order is passed on")
    answer_days: int = Field(3, ge=1, description="working days until its caller has an answer")
    remind_hours: float = Field(4.0, ge=0, description="before an order is late, staff are reminded")
    duty_phones: list[str] = Field([], description="mobile numbers that get these reminders by text")
    keep_recordings_days: int = Field(180, ge=1, description="callers' messages and talks with agents; then removed")
    keep_days: int = Field(730, ge=1, description="closed orders and call-backs, ratings, queue visits; then removed")


class CallBackSettings(BaseModel):
    """How those who asked for it are called back, and how often; people are reminded by voice as often."""

    first: Literal["caller", "agent"] = Field(
        "caller", description="who is rung first: the caller, while an agent is free; or an agent, who waits"
    )
    most_tries: int = Field(3, ge=1, le=9)
    spacing_minutes: list[float] = Field([10, 120], min_length=1, description="between tries; the last serves on")
    longest_wait_days: float = Field(
        7, gt=0, description="then it is given up; days on which nobody works do not count"
    )


class OutboundSettings(BaseModel):
    """Calls that we place: by the telephone exchange of `ami_host`, or without one by Twilio."""

    trunk: str = Field(
        "PJSIP/{number}@trunk", pattern=r"^[A-Za-z0-9]+/[A-Za-z0-9+._@:/-]*\{number\}[A-Za-z0-9+._@:/-]*$",
        description="the exchange's channel that reaches a number",
    )  # fmt: skip
    caller_id: str = Field("12329", pattern=r"^[0-9+]{3,20}$", description="the number they see by the exchange")
    ring_seconds: int = Field(30, ge=5, le=120)
    most_calls: int = Field(10, ge=1, description="placed calls at a time")
    most_a_day: int = Field(3, ge=1, description="call-backs and reminders to one number within 24 hours")
    look_seconds: float = Field(2, gt=0, description="how often it is looked who is to be called, and how calls ended")
    begin: LocalTime = Field(time(8, 30), description="nobody is called before (voice codes are asked for at any hour)")
    end: LocalTime = Field(time(20), description="or after")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.begin >= self.end:
            zh, en = "要早于 HOTLINE_OUTBOUND__END", "must be before HOTLINE_OUTBOUND__END"
            raise Wrong(("begin", zh, en))
        return self


class Settings(BaseSettings):
    """What an operator may set. Units are in the names; `url` settings take SQLAlchemy or http(s) addresses."""

    model_config = SettingsConfigDict(
        env_prefix="HOTLINE_", env_nested_delimiter="__", env_file=".env", extra="ignore", frozen=True
    )

    home: Path = Field(Path("var"), description="where the embedded databases, keys, recordings and audio cache live")
    language: Literal["zh", "en"] = Field("zh", description="language of check messages and pages")

    host: str = Field("127.0.0.1", description="address the HTTP service listens on")
    port: int = Field(12329, ge=0, le=65535)
    public_url: str = Field(
        default_factory=lambda before: f"http://127.0.0.1:{before['port']}",
        description="the address others reach us by; signatures cover it",
    )
    trusted_proxies: list[Network] = Field([], description="addresses whose X-Forwarded-* headers are believed")

    database_url: DatabaseAddress = Field("", description="our own tables; empty: SQLite in home")
    fund_url: DatabaseAddress = Field("", description="the ledger's views, read-only; empty: the demo ledger in home")
    ledger_limit_seconds: float = Field(3.0, gt=0, description="a slower ledger counts as absent")

    flows: Path = Field(Path("flows"), description="the menus")
    prompts: Path = Field(Path("prompts"), description="the system's phrases, the recordings, the text templates")
    browser_phone: bool = Field(
        False, description="the telephone at /phone outside the demo: it calls as any number one likes"
    )
    agi_host: str = Field("127.0.0.1", description="address FastAGI listens on; never a public one")
    agi_port: int = Field(4573, ge=0, le=65535)
    audio_url: str = Field("", description="where Asterisk fetches prompts from this node; empty: public_url")
    recordings: str = Field(
        "", description="callers' messages, a folder shared with Asterisk; empty: recordings in home"
    )
    asterisk_recordings: str = Field(
        "/var/spool/asterisk/hotline", pattern=r"^/[A-Za-z0-9/._-]+$", description="the same folder as Asterisk sees it"
    )
    voice_command: str = Field(
        "", description="a voice of your own: text on its input, a WAV on its output; {language}"
    )
    sounds_ahead: bool = Field(True, description="make what callers will hear before they call")
    ami_host: str = Field("", description="the telephone exchange's manager interface; empty: none is connected")
    ami_port: int = Field(5038, ge=1, le=65535)
    ami_user: str = Field("hotline", description="our user in deploy/asterisk/manager.conf")
    ami_secret: SecretStr = Field(SecretStr(""), description="its secret, AMI_SECRET of the exchange")
    pin_lock_hours: float = Field(24.0, gt=0, description="the longest lock after wrong PINs; see `fund.pins`")
    keep_callers_days: int = Field(30, ge=1, description="who called, for the people who work on it; then forgotten")
    keep_calls_days: int = Field(730, ge=1, description="records of calls and of who looked at what; then removed")

    staff_idle_minutes: float = Field(
        60.0, gt=0, description="how long without a click, or a call they take, signs staff out"
    )
    staff_session_hours: float = Field(10.0, gt=0, description="how long a sign-in lasts at most")
    seat_webhook_url: HttpAddress = Field("", description="told who is calling when a call goes to people")
    seat_webhook_secret: WebhookSecret = Field(SecretStr(""), description="whsec_ and 32 random bytes in base64")
    seat_webhook_full: bool = Field(False, description="tell number, name and account unmasked")

    pepper: Pepper = Field(SecretStr(""), description="32+ random characters; PINs, codes and look-ups depend on it")
    encryption_keys: FernetKeys = Field(SecretStr(""), description="Fernet keys, newest first, separated by commas")

    twilio_voice: TwilioVoiceSettings = Field(
        TwilioVoiceSettings(), description="a third telephone line; HOTLINE_TWILIO_VOICE__ACCOUNT_SID and so on"
    )
    orders: OrderSettings = Field(OrderSettings(), description="work orders; HOTLINE_ORDERS__ANSWER_DAYS and so on")
    outbound: OutboundSettings = Field(OutboundSettings(), description="calls that we place")
    callbacks: CallBackSettings = Field(CallBackSettings(), description="call-backs and spoken reminders")
    sms: TextSettings = Field(TextSettings(), description="the text side; HOTLINE_SMS__PROVIDERS and so on")

    log_format: Literal["console", "json"] = "console"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @model_validator(mode="after")
    def _seat_webhook_is_signed(self) -> Self:
        if self.seat_webhook_url and not self.seat_webhook_secret.get_secret_value():
            raise Wrong(("seat_webhook_secret", "必须填写：通知要签名", "needed, what is told must be signed"))
        return self

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: Source, env_settings: Source, dotenv_settings: Source,
        file_secret_settings: Source,
    ) -> tuple[Source, ...]:  # fmt: skip
        """As usual; but what is no JSON is told with all other faults, and at its own name."""
        for source in (env_settings, dotenv_settings):
            source.decode_complex_value = partial(_decoded, source.decode_complex_value)  # type: ignore[method-assign]
        return init_settings, env_settings, dotenv_settings

    @property
    def own_database_url(self) -> str:
        """`database_url`, or the embedded default."""
        return self.database_url or f"sqlite+aiosqlite:///{self.home.absolute() / 'hotline.db'}"

    @property
    def ledger_url(self) -> str:
        """`fund_url`, or the embedded demo ledger."""
        return self.fund_url or f"sqlite+aiosqlite:///{self.home.absolute() / 'ledger.db'}"

    @property
    def recordings_folder(self) -> Path:
        """`recordings`, or the embedded default."""
        return Path(self.recordings) if self.recordings else self.home.absolute() / "recordings"

    @property
    def keywords(self) -> Path:
        """The words people text: `sms.keywords`, or `sms.yaml` beside the menus."""
        return self.sms.keywords or self.flows / "sms.yaml"

    def privacy(self) -> Privacy:
        """The installation's keys: from the environment, else from `home`, made on first use."""
        pepper = self.pepper.get_secret_value() or self._kept("pepper", lambda: secrets.token_urlsafe(48))
        keys = self.encryption_keys.get_secret_value() or self._kept("encryption_keys", _fernet_key)
        return Privacy(pepper.encode(), [key.strip() for key in keys.split(",")])

    def _kept(self, name: str, make: Callable[[], str]) -> str:
        path = self.home / "keys" / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            fresh = path.with_suffix(f".{os.getpid()}")
            with open(os.open(fresh, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
                file.write(make())
            with contextlib.suppress(FileExistsError):
                os.link(fresh, path)  # whoever is first wins; two starts never make two keys
            fresh.unlink()
        return path.read_text().strip()


def _decoded(decode: Callable[..., Any], name: str, field: FieldInfo, value: Any) -> Any:
    try:
        return decode(name, field, value)
    except ValueError:
        return value  # a text where a list or a table belongs, which the validation finds


def _fernet_key() -> str:
    return Fernet.generate_key().decode()


def faults_of(wrong: ValueError) -> list[str]:
    """What is wrong with the settings, each as `HOTLINE_NAME: what to do`; values are not told: they may be secret.

    In the language that is set, if that can be read.
    """
    if isinstance(wrong, UnicodeDecodeError):
        return [".env 不是 UTF-8 编码：请另存为，编码选 UTF-8 (.env is not in UTF-8)"]
    named = os.environ.get("HOTLINE_LANGUAGE") or dotenv_values(".env").get("HOTLINE_LANGUAGE")
    return told(wrong, "en" if named == "en" else "zh")

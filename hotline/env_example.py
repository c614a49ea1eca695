"""`hotline settings`: every setting there is, as an `.env` file with its default and what it is for."""

from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

from pydantic import BaseModel, SecretStr, TypeAdapter

from hotline.settings import Settings

HEAD = """\
# Every setting, with its default; `hotline settings` prints this file. Copy it to .env, and uncomment what you set.
# Lists and tables are JSON. Faults are told all at once at start, and never with their values.
"""
COMPOSE = """\

# --- docker-compose.yml: these must be filled in; HOTLINE_PEPPER and HOTLINE_ENCRYPTION_KEYS as well
#     python3 -c 'import secrets; print(secrets.token_urlsafe(48))'   makes a pepper
#     python3 -c 'import base64, os; print(base64.urlsafe_b64encode(os.urandom(32)).decode())'   makes an encryption key
# letters, digits, - and _: it stands in an address
POSTGRES_PASSWORD=
AMI_SECRET=
AGENT1_SECRET=
AGENT2_SECRET=
# the carrier's trunk: its address, and a user and password where it asks for them
TRUNK_HOST=
# TRUNK_PORT=5060
# TRUNK_NUMBER=12329
# TRUNK_USER=
# TRUNK_SECRET=
# the address by which the carrier and the agents' telephones reach this machine
EXTERNAL_ADDRESS=
# what is recorded of talks with agents: agent (what the agent says), talk (both), no
# RECORD_TALKS=agent
# the public name of the machine, with `docker compose --profile public up`; HOTLINE_PUBLIC_URL is https://NAME then
# PUBLIC_HOST=
"""


def env_example() -> str:
    """The whole of `.env.example`."""
    return "\n".join([HEAD, *_lines("HOTLINE_", Settings)]) + COMPOSE


def _lines(prefix: str, model: type[BaseModel]) -> Iterator[str]:
    before: dict[str, Any] = {}  # the defaults so far: some follow from others
    for name, field in model.model_fields.items():
        before[name] = field.get_default(call_default_factory=True, validated_data=before)
        variable = prefix + name.upper()
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield f"\n# --- {field.description or name}"
            yield from _lines(variable + "__", field.annotation)
            continue
        if field.description:
            yield f"# {field.description}"
        yield f"# {variable}={_written(before[name])}"


def _written(value: Any) -> str:
    """A default as it is written in the environment; a secret is never one."""
    if isinstance(value, SecretStr):
        return ""
    if isinstance(value, str | PurePath):
        return str(value)
    if isinstance(value, frozenset):
        value = sorted(value)
    written = TypeAdapter(Any).dump_json(value).decode()
    return written.strip('"')

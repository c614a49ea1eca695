"""What can go wrong with a text; every name tells the caller's next act.

    TextError
    ├── Refused          never retry: the number, the template or the text will not be taken
    ├── TryLater         not taken now: try again (here or elsewhere) after `after_seconds`
    ├── NotSent          no byte left this machine (DNS, TCP, TLS): another provider may have it at once
    ├── OutcomeUnknown   sent, no clear answer: no resend and no failover; wait for a receipt
    ├── Forged           a webhook that is not from who it says it is: answer 403, change nothing
    └── Garbled          a webhook that makes no sense: answer 400, change nothing

Only `NotSent` and `TryLater` let another provider have the message by itself.
"""


class TextError(Exception):
    """What all faults of the text side have in common. `reason` is stored and shown, so it holds no personal data."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Refused(TextError):
    """Never retry this. `reason` is one of ours (`opted_out`, `bad_number`, ...) or the provider's own code."""


class TryLater(TextError):
    """Nothing was taken; try again after `after_seconds`. `link`: the pause is for every text, not for this one."""

    def __init__(self, reason: str, after_seconds: float, *, link: bool = False) -> None:
        super().__init__(reason)
        self.after_seconds = after_seconds
        self.link = link


class NotSent(TextError):
    """The provider was never reached: nothing left this machine."""


class OutcomeUnknown(TextError):
    """The provider may or may not have it: no resend, no failover."""


class Forged(TextError):
    """A webhook whose signature, secret path or address is wrong."""


class Garbled(TextError):
    """A webhook whose content cannot be read."""

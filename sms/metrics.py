"""What Prometheus may know about texts: numbers of things, never whose."""

from typing import Any, TypeVar

from prometheus_client import Counter, Gauge, Histogram

_Metric = TypeVar("_Metric", Counter, Gauge, Histogram)
_looked_up: dict[tuple[Any, ...], Any] = {}


def of(metric: _Metric, *labels: str) -> _Metric:
    """`metric.labels(...)`, looked up once, for what every text counts: the look-up costs more than the counting."""
    found: _Metric | None = _looked_up.get((metric, *labels))
    if found is None:
        found = _looked_up[(metric, *labels)] = metric.labels(*labels)
    return found


ADDED = Counter("sms_added_total", "Texts taken into the outbox", ["lane", "template"])
REPEATS = Counter("sms_repeats_total", "Texts not taken because they were there already", ["lane", "template"])
OUTCOMES = Counter(
    "sms_outcomes_total", "Answers of providers and what became of texts", ["lane", "provider", "status"]
)
RECEIPTS = Counter("sms_receipts_total", "Receipts taken", ["provider", "status"])
WAITED = Histogram(
    "sms_accept_to_provider_seconds",
    "From the row in the outbox to the first byte to a provider, for texts that were not to wait",
    ["lane"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600),
)
ANSWERED = Histogram("sms_provider_seconds", "How long a provider takes to answer", ["provider"])
DEPTH = Gauge("sms_queue_depth", "Texts waiting for a worker", ["lane"])
AGE = Gauge("sms_queue_age_seconds", "How long the oldest due text has waited", ["lane"])
UNTOLD = Gauge("sms_callbacks_given_up", "News that a client's system never took, until somebody decides", ["client"])
BREAKER = Gauge("sms_breaker_open", "1 while a provider is left alone", ["provider", "operator"])
INBOUND = Counter("sms_inbound_total", "Texts (or parts of them) people sent us", ["provider", "what"])
NOTICES = Counter("sms_notices_total", "Events of the ledger by what became of them", ["type", "outcome"])
REMINDERS = Counter("sms_reminders_total", "Occasions to remind somebody, by what became of them", ["kind", "outcome"])
WORDING_REFUSED = Gauge("sms_wording_refused", "1 while prompts/sms.yaml or flows/sms.yaml has a fault")
REPLIES = Counter("sms_replies_total", "What people's texts were answered with", ["template"])
CODES = Counter("sms_codes_total", "Verification codes by what became of them", ["purpose", "event"])

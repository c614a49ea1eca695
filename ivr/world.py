"""What the engine may ask of the world, and what the world may answer: the vocabulary of `LookUp` and `Answered`.

| what          | args                                     | outcomes |
| ------------- | -------------------------------- | -------------------------------------------------- |
| `caller`      | number                                   | `bound`, `senior` (bound and 65 or older), `unknown` |
| `identify`    | kind, caller, number (or none), pin      | `ok` {account}, `wrong` {left}, `locked`, `unset` |
| `report`      | report, kind, account, answers of `ask`  | `ok` {values, rows}, `nothing` |
| `hours`       | hours                                    | `open`, `closed` |
| `queue`       | queue                            | `open`, `busy` {ahead, minutes}, `closed`, `full`, `failed` |
| `bulletin`    | (nothing)                                | `on` {text}, `off` |
| `text`        | template, to                             | `sent`, `failed` |
| `text_report` | report, to, kind, account                | `sent`, `failed` |
| `send_code`   | caller, number (or none) | `code_sent` {verification, account}, `unbound`, `too_often` |
| `check_code`  | verification, account, code              | `approved`, `wrong`, `expired` |
| `offer_pin`   | verification, account, pin               | `offered`, `weak` |
| `confirm_pin` | verification, account, pin               | `set`, `differs`, `expired` |
| `open_message` | kind, topic, caller, account           | `ready` {number} to record under |
| `recorded`    | recording                                | `ok` {seconds}, `nothing` |
| `leave_message` | number, recording, parted (hung up)    | `opened` {number, days, texted} |
| `ask_callback` | number, queue, topic                    | `asked` {ahead}, `already`, `bad_number` |
| `rate`        | rating, agent, queue, topic              | `kept`, `already` |
| `read_out`    | of (code, message)     | `ok` {code or text}, `nothing`; in calls that we place, as the next |
| `answered`    | how (person, refused, wrong_number) | `ok` {queue}, `nothing` |
| `order_state` | number, caller, account | `ok` {state (open, working, answered), answer_by, outcome}, `nothing` |

Any of them may be `unavailable`. An account is named by its number; whoever answers masks it in every record.
"""

from datetime import datetime
from typing import Protocol

from ivr.actions import LookUp
from ivr.events import Answered


class World(Protocol):
    """Whoever answers the engine's questions: `hotline.world` in service, a table of answers in the golden calls."""

    async def look_up(self, call: str, question: LookUp, at: datetime) -> Answered:
        """The answer, for the call of that id, at that moment. An exception counts as `unavailable`."""

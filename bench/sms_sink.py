"""A message centre that takes everything: the same one behind both gateways. Tells `count` and forgets on `reset`.

Run as a process of its own: `python -m bench.sms_sink PORT`; commands come by standard input, one line each, and are
answered by one line of JSON: how many texts came, to how many numbers, and how many numbers got more than one.
"""

import asyncio
import json
import sys
from collections import Counter

import smpp34


class Sink:
    """Counts the texts by number: the load never sends two to one."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self.taken = 0

    async def serve(self, port: int) -> None:
        server = smpp34.Server("127.0.0.1", port, system_id="sink")
        await server.start()
        while True:
            event = await server.next()
            if isinstance(event, smpp34.SubmitSmEvent):
                self.taken += 1
                self.seen[event.destination_addr.removeprefix("86")] += 1
                event.accept(f"{self.taken:X}")

    def told(self, command: str) -> dict[str, object]:
        if command == "reset":
            self.seen.clear()
        doubled = sum(1 for times in self.seen.values() if times > 1)
        known = {"texts": self.seen.total(), "numbers": len(self.seen), "doubled": doubled}
        return known | ({"who": sorted(self.seen)} if command == "who" else {})


async def main(port: int) -> None:
    sink = Sink()
    serving = asyncio.create_task(sink.serve(port))
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    print("ready", flush=True)
    while line := await reader.readline():
        print(json.dumps(sink.told(line.decode().strip())), flush=True)
    serving.cancel()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))

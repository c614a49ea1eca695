"""The bench's call led by a bare FastAGI script: the same commands, but no flow, no database, no sound of its own.

What it takes is what any service pays for being asked by Asterisk at all. `python -m bench.bare_agi PORT SOUNDS`
"""

import asyncio
import sys
from asyncio import StreamReader, StreamWriter

import uvloop

PIN = "135790"


async def serve(port: int, sounds: str) -> None:
    """Until killed. `sounds`: Asterisk's folder of the four sounds."""

    async def call(reader: StreamReader, writer: StreamWriter) -> None:
        async def command(line: str) -> str:
            writer.write(f"{line}\n".encode())
            return (await reader.readline()).decode()

        async def ask(sound: str, most: int) -> str:
            await command('SET VARIABLE "TIMEOUT(absolute)" "40.0"')
            answer = await command(f'GET DATA "{sounds}/{sound}" "5000" "{most}"')
            return answer.partition("result=")[2].partition(" ")[0].strip()

        while await reader.readline() not in (b"\n", b""):
            pass
        if await ask("welcome", 1) == "1":
            pin = await ask("pin", 6)
            while pin.isdigit() and pin != PIN:
                pin = await ask("wrong", 6)
            if pin == PIN:
                await ask("balance", 1)
        writer.close()

    server = await asyncio.start_server(call, "127.0.0.1", port, backlog=512)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), sys.argv[2]))

"""The text side alone, on the embedded database, with one key that may do everything: what is measured and killed."""

import asyncio
import os
import sys

import uvloop
from aiohttp import web

from hotline.api.app import add_text_routes
from hotline.database import open_database
from hotline.migrations import upgrade
from hotline.settings import Settings
from hotline.text import open_text
from sms.errors import Refused
from sms.keys import SCOPES


async def serve(port: int) -> None:
    """Listen on `port`; print the key, once the first request can come."""
    settings = Settings()
    engine = open_database(settings.own_database_url)
    await upgrade(engine)
    text = open_text(settings.sms, engine, settings.privacy())
    app = web.Application()
    add_text_routes(app, text)
    await text.start()
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        key = await text.keys.add(f"bench-{os.getpid()}", SCOPES, "40", rate=1_000_000)
        print(key, flush=True)
    except Refused:
        print("-", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))

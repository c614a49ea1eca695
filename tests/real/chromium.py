"""Debian's Chromium, driven by its path: no browser is downloaded."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, async_playwright, expect

ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required",
]  # fmt: skip

expect.set_options(timeout=20_000)  # a busy machine is slow, and that is no fault of the page


@asynccontextmanager
async def chromium(*more: str) -> AsyncIterator[Browser]:
    """A headless browser, with `more` arguments. Skips the test where there is none."""
    path = shutil.which("chromium")
    if not path:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=[*ARGUMENTS, *more])
        yield browser
        await browser.close()

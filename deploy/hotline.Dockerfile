# The service. Build from the repository's root: docker build -f deploy/hotline.Dockerfile .
FROM python:3.12-slim-bookworm

# As in `make run`: the versions of constraints.txt, nothing from Debian.
WORKDIR /srv/hotline
COPY pyproject.toml constraints.txt README.md ./
COPY ivr ivr
COPY sms sms
COPY fund fund
COPY desk desk
COPY hotline hotline
RUN pip install --no-cache-dir --disable-pip-version-check -c constraints.txt . \
    && rm -rf build ivr sms fund desk hotline

# Mount your own over these two: a changed menu needs no new image.
COPY flows flows
COPY prompts prompts

# The group of what callers record, a folder that this service shares with Asterisk.
RUN groupadd --gid 12329 recordings \
    && useradd --system --home-dir /var/lib/hotline --create-home --groups recordings hotline \
    && install -d -m 2770 -g recordings /var/lib/recordings
USER hotline
ENV HOTLINE_HOME=/var/lib/hotline HOTLINE_HOST=0.0.0.0 HOTLINE_AGI_HOST=0.0.0.0 HOTLINE_LOG_FORMAT=json
EXPOSE 12329 4573
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:12329/readyz', timeout=2)"]
ENTRYPOINT ["hotline"]
CMD ["serve"]

# Asterisk 22 from Debian's own package (bookworm and trixie have none). Build from the repository's root:
# docker build -f deploy/asterisk.Dockerfile .
FROM debian:forky-slim

# The same packages that tests/real/install.sh puts into the root of the tests.
COPY deploy/asterisk/packages.txt /tmp/packages.txt
RUN apt-get update \
    && xargs -a /tmp/packages.txt apt-get install -y --no-install-recommends \
    && rm -rf /var/lib/apt/lists/* /etc/asterisk/* /tmp/packages.txt

COPY deploy/asterisk /usr/local/share/hotline/asterisk
RUN ln -s /usr/local/share/hotline/asterisk/sounds /usr/share/asterisk/sounds/hotline \
    && ln -s /usr/local/share/hotline/asterisk/sounds/zh /usr/share/asterisk/sounds/zh

EXPOSE 5060/udp 10000-10199/udp
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s \
    CMD ["sh", "-c", "asterisk -rx 'core waitfullybooted' | grep -q 'fully booted'"]
ENTRYPOINT ["sh", "/usr/local/share/hotline/asterisk/entrypoint.sh"]

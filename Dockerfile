# Crumb in a container: as a user without rights, on a root file system that may be read-only. Its data is /data.
# More in docs/deployment/README.md.
#   docker build --tag crumb .
#   docker run --read-only --tmpfs /tmp --volume crumb:/data --publish 8000:8000 --env SHOP_HTTPS=1 crumb
FROM python:3.13-slim AS build
WORKDIR /srv/crumb
COPY pyproject.toml constraints.txt README.md ./
COPY shop shop
RUN python -m venv .venv \
 && .venv/bin/pip install --no-cache-dir --constraint constraints.txt --editable '.[postgres]' \
 && .venv/bin/python -m compileall -q shop

FROM python:3.13-slim
RUN useradd --system --uid 10001 --no-create-home crumb && install --directory --owner crumb --mode 700 /data
WORKDIR /srv/crumb
COPY --from=build /srv/crumb .
COPY templates templates
COPY static static
COPY migrations migrations
ENV SHOP_DATA=/data SHOP_HOST=0.0.0.0 PYTHONDONTWRITEBYTECODE=1
# No free memory kept for each thread by the C library: a server has many, most of which wait.
ENV GLIBC_TUNABLES=glibc.malloc.tcache_count=0
USER crumb
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["/srv/crumb/.venv/bin/python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health', timeout=2)"]
ENTRYPOINT ["/srv/crumb/.venv/bin/shop"]
CMD ["serve"]

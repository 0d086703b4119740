# Crumb in a container: as a user without rights, on a root file system that may be read-only. Its data is /data.
# More in docs/deployment/README.md.
#   docker build --tag crumb .
#   docker run --init --read-only --tmpfs /tmp --volume crumb:/data --publish 8000:8000 --env SHOP_HTTPS=1 crumb
FROM python:3.13-slim AS build
WORKDIR /srv/crumb
COPY pyproject.toml constraints.txt ./
# With empty packages: what the shop needs is a layer of its own, which stays when only the shop's code has changed.
RUN touch README.md \
 && for package in shop shop/catalogue shop/cookies shop/orders shop/views; do \
      mkdir $package && touch $package/__init__.py; done \
 && python -m venv .venv \
 && .venv/bin/pip install --no-cache-dir --constraint constraints.txt --editable '.[postgres]' \
 && .venv/bin/pip uninstall --yes pip

FROM python:3.13-slim
# By numbers, which also say to who runs this image that it is not root.
RUN groupadd --gid 10001 crumb && useradd --uid 10001 --gid crumb --no-create-home crumb \
 && install --directory --owner crumb --group crumb --mode 700 /data
WORKDIR /srv/crumb
COPY --from=build /srv/crumb/.venv .venv
COPY shop shop
COPY templates templates
COPY static static
COPY migrations migrations
ENV PATH=/srv/crumb/.venv/bin:$PATH SHOP_DATA=/data SHOP_HOST=0.0.0.0
RUN python -m compileall -q shop migrations
ENV PYTHONDONTWRITEBYTECODE=1
# No free memory kept for each thread by the C library: a server has many, most of which wait.
ENV GLIBC_TUNABLES=glibc.malloc.tcache_count=0
USER 10001:10001
VOLUME /data
EXPOSE 8000
# By http.client, which asks no proxy, whatever the environment says.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["python", "-c", "import http.client, os; \
    asked = http.client.HTTPConnection('127.0.0.1', int(os.environ.get('SHOP_PORT') or 8000), timeout=2); \
    asked.request('GET', '/health'); raise SystemExit(asked.getresponse().status != 200)"]
ENTRYPOINT ["shop"]
CMD ["serve"]

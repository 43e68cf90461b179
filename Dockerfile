# One image for every service and for the command `aspire`: the argument says which.
#   docker build -t aspire .
#   docker run aspire run cpd            docker run aspire report --year 2026-27
# A release pins the base by digest: --build-arg PYTHON_IMAGE=python:3.13-slim@sha256:…
ARG PYTHON_IMAGE=python:3.13-slim

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
RUN python -m venv /opt/aspire
WORKDIR /src
# The dependencies first: they change less often than the code.
COPY requirements.runtime.lock ./
RUN /opt/aspire/bin/pip install --require-hashes --only-binary :all: -r requirements.runtime.lock
COPY pyproject.toml README.md LICENSE ./
COPY shared shared
COPY services services
COPY deploy deploy
RUN /opt/aspire/bin/pip install --no-deps --no-build-isolation --no-index . \
    && /opt/aspire/bin/python -m compileall -q /opt/aspire/lib \
    # Nothing is installed into the running image.
    && /opt/aspire/bin/pip uninstall --yes --quiet setuptools pip

FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="aspire" \
      org.opencontainers.image.description="The event-driven platform that runs a national school-improvement programme" \
      org.opencontainers.image.licenses="MIT"
RUN groupadd --system --gid 10001 aspire \
    && useradd --system --uid 10001 --gid aspire --home-dir /var/lib/aspire --shell /usr/sbin/nologin aspire \
    && install -d -o aspire -g aspire -m 0700 /var/lib/aspire \
    && install -d -o aspire -g aspire -m 0755 /var/lib/aspire-public
COPY --from=build /opt/aspire /opt/aspire
ENV PATH=/opt/aspire/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    ASPIRE_HOME=/var/lib/aspire \
    ASPIRE_HTTP_HOST=0.0.0.0 \
    ASPIRE_HTTP_PORT=8000
USER 10001:10001
WORKDIR /var/lib/aspire
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=8s --start-period=60s --retries=6 \
    CMD ["python", "-m", "deploy.compose.ready"]
ENTRYPOINT ["aspire"]
CMD ["run", "membership"]

# One image for every process of the system; the command says which. Nothing is compiled, and no address of a package index is in it.
#
#   docker build -t charging .
#   docker run charging python -m services.gateway

ARG BASE=python:3.13-slim

FROM ${BASE} AS build
# A mirror to install from; this stage stays behind, and so does its address.
ARG PIP_INDEX_URL
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /source
# Two environments: what builds (setuptools, with pip) stays behind, what runs is copied on.
RUN python -m venv /opt/build && python -m venv --without-pip /opt/charging
COPY requirements.lock requirements-build.lock ./
RUN /opt/build/bin/pip install --require-hashes -r requirements-build.lock \
 && /opt/build/bin/pip --python /opt/charging/bin/python install --require-hashes -r requirements.lock
# The packages above change with the locks only; our own code comes last, so that most builds take seconds.
COPY . .
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --no-index --wheel-dir /wheels . ./shared/stubs \
 && /opt/build/bin/pip --python /opt/charging/bin/python install --no-deps --no-index /wheels/*.whl

FROM ${BASE}
# The folders become volumes owned by the user, see shared/container_secrets.py.
RUN groupadd --gid 10001 charging && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent charging \
 && for folder in setup postgres redis vendor_credit customer_charge gateway scheduler; do \
      install -d -o charging -g charging -m 0755 "/secrets/$folder"; done
COPY --from=build /opt/charging /opt/charging
ENV PATH=/opt/charging/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    CHARGING_HEARTBEAT_FILE=/tmp/heartbeat
USER 10001:10001
WORKDIR /tmp
# Holds for every process; a server has a better one in docker-compose.yml, by its own health service.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["python", "-m", "shared.healthcheck", "file:///tmp/heartbeat"]
CMD ["python", "-m", "services.gateway"]

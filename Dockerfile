# Exporter, responder and simulator: `docker build --target exporter .` Python packages come from a file with the hash of
# each, so that the same source gives the same image. Every COPY says the mode, so that the user of the container can read
# what a checkout with a umask of 077 has closed.
ARG PYTHON_VERSION=3.13.9

FROM python:${PYTHON_VERSION}-slim-trixie AS packages
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
RUN python -m venv --without-pip /venv
COPY --chmod=0444 deploy/compose/requirements.txt /
RUN pip --python /venv/bin/python install --require-hashes --only-binary=:all: --no-compile -r /requirements.txt

FROM packages AS responder-packages
COPY --chmod=0444 deploy/compose/requirements-responder.txt /
RUN pip --python /venv/bin/python install --require-hashes --only-binary=:all: --no-compile -r /requirements-responder.txt

FROM packages AS demo-packages
COPY --chmod=0444 deploy/compose/requirements-demo.txt /
RUN pip --python /venv/bin/python install --require-hashes --only-binary=:all: --no-compile -r /requirements-demo.txt

FROM python:${PYTHON_VERSION}-slim-trixie AS base
ENV PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PYTHONPATH=/app
WORKDIR /app
COPY --chmod=0444 deploy/compose/healthy.py pyproject.toml /app/
USER 10001:10001

FROM base AS exporter
COPY --from=packages /venv /venv
COPY --chmod=0755 common /app/common
COPY --chmod=0755 contract/*.py /app/contract/
COPY --chmod=0755 exporter /app/exporter
EXPOSE 19877
ENTRYPOINT ["python", "-m", "exporter"]
CMD ["--web.listen-address=:19877"]
HEALTHCHECK --interval=10s --timeout=5s CMD ["python", "/app/healthy.py", "http://127.0.0.1:19877/-/healthy"]

FROM base AS responder
COPY --from=responder-packages /venv /venv
COPY --chmod=0755 common /app/common
COPY --chmod=0755 contract/*.py /app/contract/
COPY --chmod=0755 responder /app/responder
EXPOSE 19878
ENTRYPOINT ["python", "-m", "responder"]
CMD ["--web.listen-address=:19878"]
HEALTHCHECK --interval=10s --timeout=5s CMD ["python", "/app/healthy.py", "http://127.0.0.1:19878/-/healthy"]

FROM base AS simulator
COPY --from=demo-packages /venv /venv
COPY --chmod=0755 contract/*.py /app/contract/
COPY --chmod=0755 contract/postgresql /app/contract/postgresql
COPY --chmod=0755 common /app/common
COPY --chmod=0755 simulator /app/simulator
COPY --chmod=0755 testbed /app/testbed
EXPOSE 8030 8040 8025
ENTRYPOINT ["python"]
CMD ["-m", "simulator", "--web.listen-address=0.0.0.0:8030"]
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["python", "/app/healthy.py", "http://127.0.0.1:8030/"]

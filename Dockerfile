# The service in a container: docker build -t modiste . ; see docs/http.md. Not built in CI.
FROM python:3.11-slim-bookworm AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY src src
# Name torch's index of CPU builds here, which are a tenth of the size of those for a GPU.
ARG PIP_EXTRA_INDEX_URL=""
RUN python -m venv /opt/modiste && /opt/modiste/bin/pip install --no-cache-dir -c constraints.txt .

FROM python:3.11-slim-bookworm
RUN useradd --system --create-home --uid 10001 modiste
COPY --from=build /opt/modiste /opt/modiste
ENV PATH=/opt/modiste/bin:$PATH OMP_WAIT_POLICY=PASSIVE PYTHONUNBUFFERED=1 HF_HUB_OFFLINE=1
USER modiste
WORKDIR /home/modiste
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=120s \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
ENTRYPOINT ["modiste"]
CMD ["--help"]

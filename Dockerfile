# One small image, not root; the command chooses the process: `serve` (default), `worker`, `migrate`, `doctor`...
FROM python:3.12-slim AS build
WORKDIR /src
RUN python -m venv /opt/gateway
COPY pyproject.toml README.md LICENSE deploy/requirements.lock ./
RUN /opt/gateway/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY gateway gateway
COPY workers workers
RUN /opt/gateway/bin/pip install --no-cache-dir --no-deps .

FROM python:3.12-slim
RUN useradd --system --uid 10001 --home-dir /data gateway && install -d -o gateway /data
COPY --from=build /opt/gateway /opt/gateway
USER gateway
WORKDIR /data
ENV PATH=/opt/gateway/bin:$PATH PYTHONUNBUFFERED=1 GATEWAY_HOST=0.0.0.0 GATEWAY_PORT=8000
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/healthz')"]
ENTRYPOINT ["commerce-gateway"]
CMD ["serve"]

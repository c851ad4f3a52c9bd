# Images for docker-compose.yml: web (pages, API, language models), worker (runs on the CPU),
# worker-gpu (runs on GPUs). They hold programs and packages; data and secrets come from outside.
# Packages come from your own pip configuration: give its extra index as PIP_EXTRA_INDEX_URL.

FROM python:3.12.10-slim-bookworm AS web
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    T2J_DATA=/data \
    T2J_VENV=/srv/environments/app \
    T2J_RUNTIMES=/srv/environments/runtimes \
    PATH=/srv/environments/app/bin:$PATH
RUN groupadd --gid 10001 t2j \
    && useradd --uid 10001 --gid t2j --home-dir /data --no-create-home --shell /usr/sbin/nologin t2j \
    && install --directory --owner=t2j --group=t2j --mode=0700 /data
WORKDIR /srv/t2j
COPY . .
ARG PIP_EXTRA_INDEX_URL=""
RUN ./t2j install app
USER t2j
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=10s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz', timeout=5)"]
CMD ["python", "-m", "gunicorn", "t2j_site.wsgi:application", "--config", "python:t2j_site.launch.gunicorn_conf", "--bind", "0.0.0.0:8000", "--worker-tmp-dir", "/dev/shm"]

FROM web AS worker
USER root
RUN ./t2j install torch jax
USER t2j
HEALTHCHECK --interval=30s --timeout=20s --start-period=60s --retries=3 \
    CMD ["python", "manage.py", "worker_alive"]
CMD ["python", "-m", "t2j_site.launch.worker", "--concurrency", "2"]

FROM worker AS worker-gpu
USER root
RUN ./t2j install torch-cuda jax-cuda
USER t2j
# Which parts of the driver the NVIDIA container toolkit brings in.
ENV NVIDIA_DRIVER_CAPABILITIES=compute,utility
CMD ["python", "-m", "t2j_site.launch.worker", "--queues", "gpu", "--concurrency", "1"]

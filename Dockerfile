# docker build -t c3dvis .                      for the CPU
# docker build -t c3dvis --build-arg GPU=1 .    for NVIDIA GPUs; run with --gpus all
# It runs with --read-only --tmpfs /tmp and a volume at /app/cache. docs/hosting.md has a server for many people.
FROM python:3.12-slim

ENV PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore \
    STREAMLIT_SERVER_ADDRESS=0.0.0.0 \
    STREAMLIT_SERVER_HEADLESS=true \
    KERAS_HOME=/tmp/keras \
    MPLCONFIGDIR=/tmp/matplotlib \
    C3DVIS_CACHE_DIR=/app/cache \
    C3DVIS_WEIGHTS_DIR=/app/weights

# Another package index, for networks that have their own: --build-arg PIP_INDEX_URL=...
ARG PIP_INDEX_URL
ARG GPU=

RUN useradd --create-home --uid 1000 c3dvis
WORKDIR /app

COPY requirements.txt ./
RUN python -m pip install -r requirements.txt
RUN test -z "$GPU" || python -m pip install "tensorflow[and-cuda]" -c requirements.txt

COPY . .
RUN python -m pip install -r requirements.txt -e .
RUN mkdir -p cache weights && chown c3dvis cache weights

USER c3dvis
RUN python -m c3dvis weights fetch i3d-kinetics400

VOLUME /app/cache
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 \
    CMD python -c "import urllib.request as u; u.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=4)"
CMD ["python", "-m", "streamlit", "run", "app.py"]

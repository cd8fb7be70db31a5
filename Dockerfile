# jaxvf on an NVIDIA GPU: CUDA's libraries come from PyPI with JAX, the driver from the host (--gpus all).
FROM python:3.12-slim

WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY jaxvf jaxvf
COPY experiments experiments
COPY benchmarks benchmarks
RUN pip install --no-cache-dir '.[cuda13]'

# Compiled programs and results outlive the container where these are mounted.
ENV XDG_CACHE_HOME=/cache
WORKDIR /runs
CMD ["jaxvf", "--help"]

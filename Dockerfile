# docker build -t agejax .                                        for CPUs
# docker build -t agejax:cuda13 --build-arg EXTRA=cuda13 .        for NVIDIA GPUs; the driver is the host's
# docker run --rm -v "$PWD/runs:/agejax/runs" agejax              the quickstart
FROM python:3.12-slim
ARG EXTRA=cpu
WORKDIR /agejax
# What changes seldom first: the layers below are kept while the code changes.
COPY constraints.txt pyproject.toml README.md LICENSE ./
RUN mkdir agejax tfds_imdb_wiki && touch agejax/__init__.py tfds_imdb_wiki/__init__.py \
    && pip install --no-cache-dir -c constraints.txt -e ".[${EXTRA}]"
COPY . .
RUN useradd --uid 1000 --create-home agejax && mkdir -p runs data && chown 1000 runs data
USER 1000
CMD ["python", "launch.py", "--config", "configs/quickstart.py"]

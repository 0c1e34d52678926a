# semwave on a CPU: docker run --rm --volume "$PWD:/work" semwave send PHOTO --out out
FROM python:3.12-slim
ENV SEMWAVE_CACHE=/opt/semwave PIP_NO_CACHE_DIR=1 MPLCONFIGDIR=/tmp/matplotlib
# PyPI's torch would bring CUDA.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
# hadolint ignore=DL3013
RUN pip install torch --index-url "$TORCH_INDEX"
COPY pyproject.toml README.md LICENSE LICENSE-WEIGHTS /src/
COPY src /src/src
RUN pip install "/src[air,heic]" && rm -r /src && semwave setup
RUN useradd --create-home --uid 1000 semwave
USER 1000
WORKDIR /work
ENTRYPOINT ["semwave"]
CMD ["--help"]

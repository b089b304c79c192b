# tuner and what it needs, and nothing else: no data, no studies. docs/docker.md says how to use it.
#
#   docker build -t tuner .                                CPU
#   docker build -t tuner --build-arg TENSORFLOW=gpu .     with NVIDIA's CUDA libraries
#   docker run --rm --gpus all -v "$PWD:/studies" tuner sweep fashion --trials 50
#
# BASE is any glibc image with python3 (3.11 to 3.13) and its venv module; the name `python` is not
# needed. Where pip needs an index or a certificate of its own, it comes as a secret, which no layer
# keeps: docker build --secret id=pip.conf,src=pip.conf …

ARG BASE=python:3.11-slim-bookworm


FROM ${BASE} AS dependencies
ARG TENSORFLOW=cpu
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
COPY pyproject.toml constraints.txt ./
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    set -eu; \
    case "$TENSORFLOW" in \
      cpu | gpu) ;; \
      *) echo "TENSORFLOW is cpu or gpu, and not '$TENSORFLOW'." >&2; exit 1 ;; \
    esac; \
    python3 -c 'import sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || { \
      echo "BASE needs python3 3.11, 3.12 or 3.13 with the module venv." >&2; exit 1; }; \
    python3 -m venv /opt/tuner; \
    python3 -c 'import sys, tomllib; p = tomllib.load(open("pyproject.toml", "rb"))["project"]; print(*p["dependencies"], *p["optional-dependencies"].get(sys.argv[1], ()), sep="\n")' \
      "$TENSORFLOW" >requirements.txt; \
    /opt/tuner/bin/python -m pip install --quiet -c constraints.txt -r requirements.txt


# The code is a layer of its own, so that another version of tuner is not another 3 GB.
FROM dependencies AS code
COPY README.md LICENSE ./
COPY sweeps sweeps
COPY tuner tuner
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    /opt/tuner/bin/python -m pip install --quiet --no-deps --root /built . \
    && PYTHONPATH="$(echo /built/opt/tuner/lib/python3*/site-packages)" \
       /opt/tuner/bin/python -m pip check


FROM ${BASE}
LABEL org.opencontainers.image.title="tuner" \
      org.opencontainers.image.description="Hyperparameter sweeps for Keras classifiers" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0"

# The user may be any other at run time (docker run --user), and then has neither a name nor a home.
ARG UID=1000
ARG GID=1000
RUN { getent group "$GID" >/dev/null || groupadd --gid "$GID" tuner; } \
    && { getent passwd "$UID" >/dev/null || useradd --uid "$UID" --gid "$GID" \
         --home-dir /studies --no-create-home --shell /usr/sbin/nologin tuner; } \
    && install -d -o "$UID" -g "$GID" /studies

COPY --from=dependencies /opt/tuner /opt/tuner
COPY --from=code /built /

# Caches that may go lie in /tmp; what Keras downloads stays with the studies. The last two are for
# cards: which parts of the driver `--gpus` brings in, and no word about a git that is not there.
ENV PATH="/opt/tuner/bin:${PATH}" \
    LANG=C.UTF-8 \
    HOME=/tmp \
    KERAS_HOME=/studies/.keras \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility

USER ${UID}:${GID}
WORKDIR /studies
VOLUME /studies

# The exec form: tuner itself is process 1, and gets the signal of `docker stop`.
ENTRYPOINT ["tuner"]
CMD ["--help"]

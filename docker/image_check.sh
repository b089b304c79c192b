#!/usr/bin/env bash
# Builds the image and tries in it what docs/docker.md promises: a sweep as a user without a name, a
# stop by SIGTERM, the rest from the volume. Prints a row a check; exits 1 where one fails.
#
#   make image-check        needs Debian's buildah, and root; without them it says so and exits 0
#
# Read from the environment, all optional:
#   BASE         base image [localhost/tuner-base, made once with debootstrap]
#   TENSORFLOW   cpu or gpu [cpu]
#   PIP_CONF     a pip.conf for the build: an index or a certificate of your own
#   STORAGE      folder of images [/var/tmp/tuner-image-check]; `rm -rf` of it is allowed
#   KEEP         1 keeps the image there for the next time [the base alone stays]
set -euo pipefail
cd "$(dirname "$0")/.."

skip() { echo "image-check: $1: nothing was checked."; exit 0; }
command -v buildah >/dev/null || skip "buildah is not installed"
[ "$(id -u)" = 0 ] || skip "building and entering an image takes root"

BASE=${BASE:-localhost/tuner-base}
TENSORFLOW=${TENSORFLOW:-cpu}
STORAGE=${STORAGE:-/var/tmp/tuner-image-check}
IMAGE=localhost/tuner:check
STRANGER=4242 # a user whom the image does not know: no name, no home
LIMIT=10      # seconds that `docker stop` waits before it kills

mkdir -p "$STORAGE"
SCRATCH=$(mktemp -d "$STORAGE/check.XXXXXX")
WORK=$SCRATCH/work
CONTAINER=
TOP=

leave() {
  trap - EXIT
  if [ -n "$TOP" ]; then kill -KILL "$TOP" 2>/dev/null || true; fi
  if [ -n "$CONTAINER" ]; then buildah rm "$CONTAINER" >/dev/null 2>&1 || true; fi
  if [ "${KEEP:-}" != 1 ]; then
    buildah rmi "$IMAGE" >/dev/null 2>&1 || true
    buildah rmi --prune --force >/dev/null 2>&1 || true
  fi
  rm -rf "$SCRATCH"
}
trap leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Images on overlay where the kernel lets us, which copies nothing; on vfs each step is a full copy.
storage() {
  mkdir -p "$SCRATCH"/o/{lower,upper,work,merged}
  DRIVER=vfs
  if mount -t overlay overlay "$SCRATCH/o/merged" \
      -o "lowerdir=$SCRATCH/o/lower,upperdir=$SCRATCH/o/upper,workdir=$SCRATCH/o/work" 2>/dev/null
  then
    umount "$SCRATCH/o/merged"
    DRIVER=overlay
  fi
  export STORAGE_DRIVER=${STORAGE_DRIVER:-$DRIVER} TMPDIR=$SCRATCH
  export CONTAINERS_STORAGE_CONF=$SCRATCH/storage.conf
  printf '[storage]\ndriver = "%s"\ngraphroot = "%s"\nrunroot = "%s"\n' \
    "$STORAGE_DRIVER" "$STORAGE/$STORAGE_DRIVER" "$STORAGE/run" >"$CONTAINERS_STORAGE_CONF"
}

make_base() {
  if buildah inspect --type image "$BASE" >/dev/null 2>&1; then return; fi
  [ "$BASE" = localhost/tuner-base ] || return 0 # buildah fetches it
  command -v debootstrap >/dev/null || skip "debootstrap is not installed, and BASE is not set"
  echo "Making $BASE with debootstrap: once, a minute or two."
  debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates \
    bookworm "$SCRATCH/base" >"$SCRATCH/base.log" 2>&1 || { tail "$SCRATCH/base.log"; exit 1; }
  rm -rf "$SCRATCH"/base/var/cache/apt/archives/*.deb "$SCRATCH"/base/var/lib/apt/lists/*
  local empty
  empty=$(buildah from scratch)
  buildah add --quiet "$empty" "$SCRATCH/base" / >/dev/null
  buildah config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$empty"
  buildah commit --quiet "$empty" "$BASE" >/dev/null
  buildah rm "$empty" >/dev/null
  rm -rf "$SCRATCH/base"
}

# The machine's certificates are mounted and pip is told of them in a secret: the image keeps neither.
build() {
  local options=() bundle=/etc/ssl/certs/ca-certificates.crt
  if [ -d /etc/ssl/certs ]; then options+=(-v /etc/ssl/certs:/etc/ssl/certs:ro); fi
  if [ -z "${PIP_CONF:-}" ] && [ -f "$bundle" ]; then
    PIP_CONF=$SCRATCH/pip.conf
    printf '[global]\ncert = %s\n' "$bundle" >"$PIP_CONF"
  fi
  if [ -n "${PIP_CONF:-}" ]; then options+=(--secret "id=pip.conf,src=$PIP_CONF"); fi
  # Steps are kept for the next time where that does not double what lies on the disk.
  if [ "$STORAGE_DRIVER" = overlay ]; then options+=(--layers); fi
  BUILDAH_ISOLATION=chroot buildah bud --network host "${options[@]}" \
    --build-arg BASE="$BASE" --build-arg TENSORFLOW="$TENSORFLOW" --tag "$IMAGE" . \
    >"$SCRATCH/build.log" 2>&1 || { tail -n 40 "$SCRATCH/build.log"; exit 1; }
}

# With runc or crun tuner is process 1 of a container, as in Docker; else it is in a chroot.
isolate() {
  for RUNTIME in runc crun chroot; do
    ENTER=(--isolation oci --runtime "$(command -v $RUNTIME || true)")
    [ $RUNTIME != chroot ] || ENTER=(--isolation chroot)
    if buildah run "${ENTER[@]}" --network host "$CONTAINER" -- true 2>/dev/null; then return; fi
  done
  echo "buildah cannot run anything here." >&2
  exit 1
}

# A command in the container, as the stranger, on the mounted folder.
inside() {
  buildah run "${ENTER[@]}" --network host --user "$STRANGER:$STRANGER" \
    --volume "$WORK:/studies" --env TUNER_IMAGE_CHECK="$SCRATCH" "$CONTAINER" -- "$@"
}

# The first process in the container: it has our mark, and its parent has not.
top_process() {
  local folder parent
  for folder in /proc/[0-9]*; do
    marked "$folder" || continue
    parent=$(awk '$1 == "PPid:" {print $2}' "$folder/status" 2>/dev/null) || continue
    if ! marked "/proc/$parent"; then echo "${folder#/proc/}"; return; fi
  done
  return 1
}
marked() { grep -qzxF "TUNER_IMAGE_CHECK=$SCRATCH" "$1/environ" 2>/dev/null; }
status_of() { sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status" | xargs; }

# A figure of a study, by `tuner status --format json`; `done` is all trials that have ended.
figure() {
  inside tuner status "$1" --format json 2>/dev/null | python3 -c '
import json, sys
try:
    (row,) = json.load(sys.stdin)["studies"]
    row["done"] = row["complete"] + row["pruned"] + row["failed"]
    print(row[sys.argv[1]])
except (ValueError, KeyError, TypeError):
    print("no figure")' "$2" || true
}

# Run a command of tuner in the container; CODE, and what it printed in $SCRATCH/out and err.
tuner() {
  CODE=0
  inside tuner "$@" >"$SCRATCH/out" 2>"$SCRATCH/err" || CODE=$?
  [ $CODE = 0 ] || tail -n 5 "$SCRATCH/err"
}

# Start it beside us and wait for a line on its stderr; TOP is then its first process.
begin() {
  local line=$1
  shift
  : >"$SCRATCH/err"
  inside tuner "$@" >"$SCRATCH/out" 2>"$SCRATCH/err" &
  OURS=$!
  for _ in $(seq 1200); do
    TOP=$(top_process || true)
    if [ -n "$TOP" ] && grep -q "$line" "$SCRATCH/err"; then return; fi
    kill -0 $OURS 2>/dev/null || break
    sleep 0.25
  done
  [ -n "$TOP" ] || tail -n 5 "$SCRATCH/err"
}

# As `docker stop` does it; CODE, and TOOK in seconds.
stop() {
  local began
  began=$(date +%s.%N)
  CODE=0
  kill -TERM "${TOP:-$OURS}" 2>/dev/null || true
  wait $OURS || CODE=$?
  TOOK=$(awk -v a="$began" -v b="$(date +%s.%N)" 'BEGIN {printf "%.1f", b - a}')
  TOP=
}

FAILED=0
# check TEXT COMMAND…: a row of the table.
check() {
  local text=$1 word=OK
  shift
  "$@" || { word=failed; FAILED=$((FAILED + 1)); }
  printf '%-8s %s\n' "$word" "$text"
}
is() { [ "$1" = "$2" ] || { echo "         found '$1', expected '$2'"; return 1; }; }
none() { [ -z "$1" ] || { printf '%s\n' "$1" | head -n 5 | sed 's/^/         /'; return 1; }; }
within() { awk -v a="$1" -v b="$2" 'BEGIN {exit !(a <= b)}'; }

storage
make_base
echo "Building $IMAGE for $TENSORFLOW on $BASE ($STORAGE_DRIVER): some minutes."
SECONDS=0
build
BUILT=$SECONDS
CONTAINER=$(buildah from --pull-never "$IMAGE")
buildah config --volume /studies- "$CONTAINER" # buildah would put a folder of its own over ours
ROOT=$(buildah mount "$CONTAINER")
isolate
install -d -o "$STRANGER" -g "$STRANGER" "$WORK"

SIZE=$(du -sm --one-file-system "$ROOT" | cut -f1)
CODE_SIZE=$(du -sk "$ROOT"/opt/tuner/lib/python3*/site-packages/tuner | cut -f1)
echo "Built in $BUILT s: $SIZE MB, of them $CODE_SIZE kB tuner. Run with $RUNTIME."

# What is in it
config() { buildah inspect --type image --format "{{.OCIv1.Config.$1}}" "$IMAGE"; }
check "the entry point is tuner itself" is "$(config Entrypoint)" "[tuner]"
check "it runs as a user, not as root" is "$(config User)" "1000:1000"
check "/studies is a volume" is "$(config Volumes)" "map[/studies:{}]"
check "nothing of pip or of certificates is in its settings" \
  none "$(config Env | tr ' ' '\n' | grep -iE '^\[?(pip|ssl|.*proxy|.*cert)' || true)"
check "/studies is empty" none "$(ls -A "$ROOT/studies")"
check "no study, repository, pip.conf or source folder" none "$(
  find "$ROOT" -xdev \( -name .git -o -name tuner.journal -o -name mlflow.db -o -name mlruns \
    -o -path "$ROOT/etc/pip.conf" -o -path "$ROOT/src" -o -path "$ROOT/built" \) -print)"
check "of tuner only code and sweep files" none "$(
  find "$ROOT"/opt/tuner/lib/python3*/site-packages/tuner -type f \
    ! -name '*.py' ! -name '*.pyc' ! -name '*.yaml' ! -name '*.html' ! -name '*.css' \
    ! -name '*.js' ! -name '*.json' ! -name py.typed)"
check "no compiler" none "$(
  find "$ROOT"/usr/bin "$ROOT"/usr/local/bin -name 'gcc*' -o -name cc -o -name make)"

# What it does
VERSION=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' tuner/__init__.py)
tuner --version
check "tuner --version" is "$(cat "$SCRATCH/out")" "tuner, version $VERSION"
if inside tuner doctor --help >/dev/null 2>&1; then
  tuner doctor
  check "tuner doctor" is $CODE 0
  grep -E '^[!✗]' "$SCRATCH/out" | sed 's/^/         /' || true
fi

SECONDS=0
tuner sweep digits --trials 5 --exit-zero
check "tuner sweep digits --trials 5 ($SECONDS s)" is $CODE 0
check "  exactly 5 trials" is "$(figure digits done)" 5
check "  no warning, no traceback" none "$(
  cat "$SCRATCH/out" "$SCRATCH/err" | grep -iE 'warn|traceback|not writable|permission' || true)"

# Stopped in the second trial, and gone on with.
begin '^long 1/5' sweep digits --name long --epochs 100 --trials 5 --workers 1 --exit-zero
check "a sweep runs" test -n "$TOP"
if [ -n "$TOP" ]; then
  NUMBERS=$(status_of "$TOP" NSpid)
  [ $RUNTIME = chroot ] || check "  as process 1 of its container" is "${NUMBERS##* }" 1
  check "  as user $STRANGER, in no group of root's" \
    is "$(status_of "$TOP" Uid) $(status_of "$TOP" Groups)" \
    "$STRANGER $STRANGER $STRANGER $STRANGER $STRANGER"
  sleep 1
fi
stop
check "  ended $TOOK s after SIGTERM, at most $LIMIT" within "$TOOK" $LIMIT
check "  with exit code 143" is $CODE 143
check "  with no process left behind" none "$(top_process || true)"
check "  with its trials handed back" is "$(figure long running)" 0
DONE=$(figure long done)
check "  in the middle: $DONE of 5 trials" grep -qx '[1-4]' <<<"$DONE"
tuner sweep long --trials 5 --exit-zero
check "gone on with from the volume" is $CODE 0
check "  exactly 5 trials" is "$(figure long done)" 5

# Stopped while it still starts: process 1 gets no signal that it has not asked for.
if [ $RUNTIME != chroot ]; then
  begin '' sweep digits --name early --trials 5
  sleep 1
  stop
  check "a sweep that still starts ended $TOOK s after SIGTERM" within "$TOOK" $LIMIT
  check "  with exit code 143" is $CODE 143
fi
check "every file in /studies is the user's" none "$(
  find "$WORK" ! \( -user "$STRANGER" -group "$STRANGER" \))"

if [ $FAILED -gt 0 ]; then echo "$FAILED checks failed."; exit 1; fi
echo "All checks passed."

"""Other systems: nothing here needs POSIX to be imported, and what POSIX alone has is guarded.

No Windows machine stands behind these tests: parts of Python are taken away, and Windows's own
locks are played by a module that behaves as theirs do.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from stubs import ROOT, environment

FILES = sorted((ROOT / "tuner").rglob("*.py"))
# fmt: off
POSIX_MODULES = {
    "fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "posix", "syslog", "readline",
    "curses", "spwd", "crypt",
}
POSIX_ONLY = {
    "os": {
        "fork", "forkpty", "getppid", "getuid", "geteuid", "getgid", "getegid", "getgroups",
        "setuid", "setgid", "setsid", "getpgid", "setpgid", "getpgrp", "killpg", "kill", "nice",
        "uname", "chown", "lchown", "chroot", "getloadavg", "mkfifo", "mknod", "pread", "pwrite",
        "sched_getaffinity", "sched_setaffinity", "statvfs", "fstatvfs", "sysconf", "wait",
        "wait3", "wait4", "posix_spawn", "openpty", "ttyname", "lockf", "sync", "fchmod", "fchown",
        "WIFEXITED", "WEXITSTATUS", "WIFSIGNALED", "WTERMSIG", "O_DIRECTORY", "O_CLOEXEC",
        "O_NOFOLLOW", "O_NONBLOCK",
    },
    "signal": {
        "SIGHUP", "SIGKILL", "SIGQUIT", "SIGALRM", "SIGUSR1", "SIGUSR2", "SIGCHLD", "SIGPIPE",
        "SIGSTOP", "SIGCONT", "SIGTSTP", "SIGWINCH", "alarm", "pause", "setitimer", "sigwait",
        "siginterrupt", "pthread_sigmask", "pthread_kill",
    },
    "time": {"tzset", "clock_gettime"},
    "socket": {"AF_UNIX"},
    "threading": {"pthread_getcpuclockid"},
}
# fmt: on
GUARDS = ("sys.platform", "hasattr(", "os.name")


def parents(tree: ast.Module) -> dict[ast.AST, ast.AST]:
    return {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}


def guarded(node: ast.AST, above: dict[ast.AST, ast.AST]) -> bool:
    """Whether `node` is in a function, or a module's `if`, that asks for the platform."""
    while node in above:
        node = above[node]
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.If):
            test = ast.unparse(node.test if isinstance(node, ast.If) else node)
            if any(guard in test for guard in GUARDS):
                return True
    return False


def tried(node: ast.AST, above: dict[ast.AST, ast.AST]) -> bool:
    """Whether an import is within `try … except ImportError`."""
    while node in above:
        node = above[node]
        if isinstance(node, ast.Try):
            caught = " ".join(ast.unparse(h.type) for h in node.handlers if h.type is not None)
            if "ImportError" in caught or "ModuleNotFoundError" in caught:
                return True
    return False


def needs_posix(source: str) -> Iterator[str]:
    """What a module's text takes for granted of POSIX, one line each."""
    tree = ast.parse(source)
    above = parents(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
            )
            for name in names:
                if name.split(".")[0] in POSIX_MODULES and not (
                    tried(node, above) or guarded(node, above)
                ):
                    yield f"line {node.lineno}: import {name}"
            if isinstance(node, ast.ImportFrom) and node.module in POSIX_ONLY:
                for alias in node.names:
                    if alias.name in POSIX_ONLY[node.module]:
                        yield f"line {node.lineno}: from {node.module} import {alias.name}"
        elif (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.attr in POSIX_ONLY.get(node.value.id, ())
            and not guarded(node, above)
        ):
            yield f"line {node.lineno}: {node.value.id}.{node.attr}"


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.relative_to(ROOT).as_posix())
def test_no_module_takes_posix_for_granted(file: Path) -> None:
    assert list(needs_posix(file.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import fcntl", ["line 1: import fcntl"]),
        ("from pwd import getpwuid", ["line 1: import pwd"]),
        ("def f():\n    import resource", ["line 2: import resource"]),
        ("try:\n    import fcntl\nexcept ImportError:\n    fcntl = None", []),
        ("import sys\nif sys.platform != 'win32':\n    import fcntl", []),
        ("import os\nos.kill(1, 0)", ["line 2: os.kill"]),
        ("import signal\ndef f():\n    signal.SIGHUP", ["line 3: signal.SIGHUP"]),
        ("def f():\n    if sys.platform != 'win32':\n        signal.SIGHUP", []),
        ("from signal import SIGHUP", ["line 1: from signal import SIGHUP"]),
        ("import signal\nsignal.SIGTERM, signal.SIGINT", []),
    ],
)
def test_what_would_be_found(source: str, found: list[str]) -> None:
    assert list(needs_posix(source)) == found


@pytest.mark.slow
@pytest.mark.parametrize("platform", ["win32", "darwin"])
def test_types_hold_on_other_systems(platform: str, tmp_path: Path) -> None:
    """Mypy knows what each system's standard library has."""
    pytest.importorskip("mypy", reason="mypy is not installed")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--platform", platform, "--cache-dir", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


# Python without its POSIX parts, in the command and in every process that it starts

WITHOUT = """
import os, signal, sys
for name in ("fcntl", "resource", "pwd", "grp", "termios"):
    sys.modules[name] = None
for module, names in (
    (os, "fork forkpty getppid sched_getaffinity killpg getuid geteuid getpgid nice"),
    (signal, "SIGUSR1 SIGUSR2 SIGALRM SIGQUIT"),
):
    for name in names.split():
        if hasattr(module, name):
            delattr(module, name)
"""


@pytest.fixture(scope="module")
def crippled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which Python has neither locks nor users nor forks."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "sitecustomize.py").write_text(WITHOUT, encoding="utf-8")
    kept = {k: v for k, v in os.environ.items() if k not in ("LOGNAME", "USER", "LNAME")}
    kept = {k: v for k, v in kept.items() if not k.startswith(("MLFLOW_", "TUNER_", "KERAS_"))}
    return {**kept, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)]), "NO_COLOR": "1"}


def run(
    folder: Path, variables: dict[str, str], *arguments: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tuner", *arguments],
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_crippled_python_is_one(crippled: dict[str, str]) -> None:
    code = "import os, sys; print(sys.modules['fcntl'], hasattr(os, 'fork'))"
    done = subprocess.run(
        [sys.executable, "-c", code], env=crippled, capture_output=True, text=True, check=True
    )
    assert done.stdout == "None False\n"


def test_help_without_posix(crippled: dict[str, str], tmp_path: Path) -> None:
    done = run(tmp_path, crippled, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: tuner")


@pytest.mark.slow
def test_a_sweep_without_posix(crippled: dict[str, str], tmp_path: Path) -> None:
    arguments = ("--trials", "2", "--epochs", "2", "--workers", "1", "--format", "json")
    swept = run(tmp_path, crippled, "sweep", "digits", *arguments, "--exit-zero")
    assert swept.returncode == 0, swept.stderr
    first, *notice = swept.stderr.splitlines()[:3]
    assert (
        first
        == f"tuner: files in {tmp_path / '.tuner'} cannot be locked (this Python has no fcntl)."
    )
    assert notice[0].startswith("Run one tuner at a time in this directory")
    assert swept.stderr.count("cannot be locked") == 1
    found = json.loads(swept.stdout)
    assert found["trials"]["complete"] == 2
    assert all(entry["run_id"] for entry in [*found["meets"], *found["nearest"]])
    for command in (("status",), ("report", "digits", "--exit-zero")):
        done = run(tmp_path, crippled, *command)
        assert (done.returncode, done.stderr) == (0, "")
        assert "digits" in done.stdout
    assert list((tmp_path / ".tuner" / "owners").iterdir()) == []


# Windows's own branch, over a module that locks as `msvcrt` does

WINDOWS = """
import errno, fcntl as _fcntl, os, sys, types, pathlib, platform
platform.node()  # asks the real system once
import optuna, tuner.commands.running  # before this Python says that it is another

msvcrt = types.ModuleType("msvcrt")
msvcrt.LK_UNLCK, msvcrt.LK_LOCK, msvcrt.LK_NBLCK = 0, 1, 2

def locking(descriptor, mode, count):
    # Of Windows: bytes from the position on, for one handle; EACCES where another holds them.
    assert mode == msvcrt.LK_NBLCK and count == 1
    assert os.lseek(descriptor, 0, os.SEEK_CUR) == 0
    try:
        _fcntl.flock(descriptor, _fcntl.LOCK_EX | _fcntl.LOCK_NB)
    except BlockingIOError:
        raise PermissionError(errno.EACCES, "Permission denied") from None

def unlink(path, *rest, _unlink=os.unlink, **named):
    # Of Windows: a file that is open stays.
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            held = os.readlink(f"/proc/self/fd/{descriptor}")
        except OSError:
            continue
        if held == os.path.realpath(path):
            raise PermissionError(errno.EACCES, "used by another process", str(path))
    _unlink(path, *rest, **named)

def kill(pid, number):
    raise AssertionError("os.kill ends a process on Windows, whatever the number")

msvcrt.locking, os.unlink, os.kill = locking, unlink, kill
sys.modules["msvcrt"], sys.modules["fcntl"] = msvcrt, None
sys.platform = "win32"
"""


def on_windows(code: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WINDOWS + code, *arguments],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


needs_proc = pytest.mark.skipif(
    not Path("/proc/self/fd").is_dir(), reason="plays Windows with Linux's /proc"
)


@needs_proc
@pytest.mark.slow
def test_owners_live_and_die_by_windows_locks(tmp_path: Path) -> None:
    holder = on_windows(
        """
from tuner.search.owners import Owner
owner = Owner(pathlib.Path(sys.argv[1]))
print(owner.name, flush=True)
input()
""",
        str(tmp_path),
    )
    asks = """
from tuner.search.owners import is_gone
print(is_gone(pathlib.Path(sys.argv[1]), sys.argv[2]))
"""
    assert holder.stdout is not None
    name = holder.stdout.readline().strip()
    try:
        assert on_windows(asks, str(tmp_path), name).communicate() == ("False\n", "")
        assert [file.name for file in tmp_path.iterdir()] == [name]
        holder.kill()
        holder.wait()
        assert on_windows(asks, str(tmp_path), name).communicate() == ("True\n", "")
        assert list(tmp_path.iterdir()) == []
    finally:
        holder.kill()
        holder.communicate()


@needs_proc
@pytest.mark.slow
def test_a_study_on_windows_locks(tmp_path: Path) -> None:
    """Two writers at once, each of whom waits for the other, and an owner that closes."""
    writer = """
from tuner.locks import locked
from tuner.search.owners import Owner
from tuner.search.sampling import quiet
from tuner.search.storage import open_storage
quiet()
folder = pathlib.Path(sys.argv[1])
owner = Owner(folder / "owners")
storage = open_storage(folder / "j", folder / "j.lock")
study = optuna.create_study(study_name="s", storage=storage, load_if_exists=True)
for _ in range(20):
    with locked(folder / "ask.lock"):
        study.set_user_attr("n", study.user_attrs.get("n", 0) + 1)
owner.close()
print(sys.modules["fcntl"], sys.modules["msvcrt"].__name__)
"""
    two = [on_windows(writer, str(tmp_path)) for _ in range(2)]
    assert [process.communicate() for process in two] == [("None msvcrt\n", "")] * 2
    reader = on_windows(
        """
from tuner.search.storage import open_storage
folder = pathlib.Path(sys.argv[1])
storage = open_storage(folder / "j", folder / "j.lock")
print(optuna.load_study(study_name="s", storage=storage).user_attrs["n"])
""",
        str(tmp_path),
    )
    assert reader.communicate() == ("40\n", "")
    assert list((tmp_path / "owners").iterdir()) == []


@needs_proc
@pytest.mark.slow
def test_signals_that_windows_has_are_routed() -> None:
    code = """
import signal
del signal.SIGHUP
from tuner.commands.running import Interruption, signals_to
asked = Interruption()
with signals_to(asked):
    signal.raise_signal(signal.SIGTERM)
print(asked.exit_code, asked.controls.hand_back)
"""
    out, err = on_windows(code).communicate()
    assert out == "143 True\n"
    assert err == "Handing running trials back …\n"

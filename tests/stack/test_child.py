"""An engine's process, and the signals it is passed."""

import os
import signal
import sys

import psutil

from rightsizing.stack.child import Child, strip_ansi

PATIENT = """
import signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])  # kept until it is waited for
print("ready", flush=True)
count = 0
while not count or len(sys.argv) > 1:
    signal.sigwait([signal.SIGINT])
    count += 1
    print("signal", count, flush=True)
sys.exit(3)
"""


def start(tmp_path, *arguments):
    """A child that ends with code 3 after one SIGINT, or never when given an argument."""
    return Child([sys.executable, "-c", PATIENT, *arguments], tmp_path, os.environ)


def test_ctrl_c_is_passed_on_once_and_the_child_ends_by_itself(tmp_path):
    """No KeyboardInterrupt reaches us meanwhile; our handler is put back."""
    before = signal.getsignal(signal.SIGINT)
    child = start(tmp_path)
    seen = []
    for line in child.lines():
        seen.append(line)
        if line == "ready":
            os.kill(os.getpid(), signal.SIGINT)
    gone = child.finish()
    assert seen == ["ready", "signal 1"]
    assert (gone.code, gone.interrupted, gone.killed) == (3, True, False)
    assert signal.getsignal(signal.SIGINT) is before


def test_sigterm_is_passed_on_as_an_interrupt(tmp_path):
    """So that a CI runner's timeout ends an update politely too."""
    child = start(tmp_path)
    for line in child.lines():
        if line == "ready":
            os.kill(os.getpid(), signal.SIGTERM)
    assert child.finish().code == 3


def test_a_second_ctrl_c_kills(tmp_path):
    """Whoever insists gets it, and is told that it was no clean end."""
    child = start(tmp_path, "for ever")
    for _ in child.lines():
        os.kill(os.getpid(), signal.SIGINT)
    gone = child.finish()
    assert gone.killed
    assert gone.code == -signal.SIGKILL


def test_nothing_the_child_started_is_left_running(tmp_path):
    """A grandchild in a process group of its own, as the Pulumi CLI makes them, is ended."""
    program = (
        "import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', "
        "'import signal; signal.pause()'], process_group=0, stdout=subprocess.DEVNULL).pid)"
    )
    child = Child([sys.executable, "-c", program], tmp_path, os.environ)
    (pid,) = child.lines()
    grandchild = psutil.Process(int(pid))
    assert child.finish().code == 0
    grandchild.wait(timeout=30)
    assert not grandchild.is_running()


def test_standard_error_is_kept_apart_and_plain(tmp_path):
    """For an error message, without ANSI codes."""
    program = r"import sys; sys.stderr.write('\x1b[31mred\x1b[0m'); print('out')"
    child = Child([sys.executable, "-c", program], tmp_path, os.environ)
    assert list(child.lines()) == ["out"]
    gone = child.finish()
    assert (gone.code, gone.stderr, gone.interrupted) == (0, "red", False)


def test_ansi_codes_are_removed():
    """Colours and cursor movements."""
    assert strip_ansi("\x1b[1;31mred\x1b[0m \x1b[2Kline") == "red line"

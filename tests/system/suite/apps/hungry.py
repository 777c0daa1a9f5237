"""An application that takes too much: memory in several ways, time, and processes that it leaves behind."""

import itertools
import mmap
import os
import subprocess
import sys
import time

MIB = 1 << 20
MUCH = 400 * MIB
HELD = []
BURNS = "while True: pass"
SLEEPS = "import time; time.sleep(600)"
EATS = f"held = b'x' * {MUCH}; {SLEEPS}"
HIDES = f"""
import os
if os.fork():
    os._exit(0)
os.setsid()
if os.fork():
    os._exit(0)
os.close(1)
{SLEEPS}
"""


def python(code):
    return [sys.executable, "-c", code]


def eat(megabytes, pause=0.0):
    for _ in range(int(megabytes) // 2):
        HELD.append(b"x" * (2 * MIB))
        time.sleep(float(pause))


def slowly():
    eat(MUCH / MIB, 0.01)


def quickly():
    HELD.append(b"x" * MUCH)


def gulp():
    """The same by another name."""
    quickly()


def tmpfs():
    """On a file that is gone when its process is."""
    part = bytes(MIB)
    with open("/dev/shm/hungry", "w+b", buffering=0) as file:
        os.unlink(file.name)
        while file.tell() < MUCH:
            file.write(part)


def shared():
    HELD.append(mmap.mmap(-1, MUCH))
    for at in range(0, MUCH, mmap.PAGESIZE):
        HELD[-1][at] = 1


def child():
    subprocess.run(python(EATS))


def reserve():
    """2 GB in parts, as the kernel refuses at once as much as the machine has."""
    HELD.extend(mmap.mmap(-1, 512 * MIB, flags=mmap.MAP_PRIVATE) for _ in range(4))


def files():
    """Writes and reads 300 MB, which the page cache keeps."""
    with open(os.path.join(os.environ["CACHE_DIRECTORY"], "large"), "w+b", buffering=0) as file:
        os.unlink(file.name)
        for _ in range(300):
            file.write(bytes(MIB))
        file.seek(0)
        while file.read(MIB):
            pass


def burn():
    subprocess.run(python(BURNS))


def lock():
    """One call of C that never looks whether another thread waits for the interpreter."""
    sum(itertools.repeat(1))


def hide(seconds=0):
    """Leaves a process behind that is in no process group or session of its worker's; those that were between
    it and us have ended, as nobody else can print any more."""
    subprocess.run(python(HIDES), check=True, stdout=subprocess.PIPE)
    time.sleep(float(seconds))


def leave(status):
    # Longer than the master may be kept from its processor: it is to see the request.
    time.sleep(5)
    os._exit(int(status))


def sleep(seconds):
    time.sleep(float(seconds))


def application(environ, start_response):
    name, *arguments = environ["PATH_INFO"][1:].split("/")
    if name:
        globals()[name](*arguments)
    start_response("200 OK", [])
    return [b"%d\n" % os.getpid()]

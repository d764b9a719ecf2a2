"""`python -m internvideo` is the command line, and so is the command `internvideo`: a process of its own."""

import atexit
import contextlib
import os
import sys
import threading

from internvideo.app.cli import main


def command() -> None:
    """Run the command line, then end the process without taking the interpreter apart.

    Threads of native libraries may hold Python objects when the interpreter goes. Arrow's give them back a moment too
    late now and then, which aborts a process whose work is done (https://github.com/apache/arrow/issues/34314). What
    Python does at an exit is done here: other threads end, what was registered runs, what was printed is written.
    """
    code = main()
    threading._shutdown()  # type: ignore[attr-defined]  # nothing public lets pools of threads end
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of a pipe has gone
        pass
    except (OSError, ValueError) as error:
        print(f"error: not all could be printed: {error}", file=sys.stderr)
        code = code or 3
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    command()

"""A child process that is killed in the middle of its second line."""

import os
import signal

if __name__ == "__main__":
    os.write(1, b'{"whole": true}\n{"hal')
    os.kill(os.getpid(), signal.SIGKILL)

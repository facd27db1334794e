"""Cases of a script: functions by name, one of which is run by the script's only argument."""

import os
import sys
import traceback


def run(*functions):
    """Run the function that the command line names. A case fails by raising; it then ends at once,
    whatever threads its program has left.
    """
    table = {function.__name__: function for function in functions}
    name = sys.argv[1]
    try:
        table[name]()
    except BaseException:
        traceback.print_exc()
        sys.stdout.flush()
        os._exit(1)
    print("done:", name, flush=True)

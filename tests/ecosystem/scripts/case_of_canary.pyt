import sys

import canary_pyt

canary_pyt.directives.parameterize("cpus", [1, 2])

if __name__ == "__main__":
    sys.exit(0)

"""The file of settings as it is before anybody has changed it: every setting in a comment, with
what it does.
"""

from __future__ import annotations

from typing import Final

DEFAULT_TEXT: Final = """\
# Settings of flux top. All of them are here, each with its default or an example.
# The dashboard looks at this file while it runs, and takes what has changed at once.

# dark, light, high-contrast, ansi (the terminal's own 16 colours), or one of [themes] below.
# Without it: dark, and ansi on terminals of 16 colours.
#theme = "dark"

# Seconds from one repaint to the next at least, 0.1 to 60. Slow lines want more.
#refresh = 0.1

# Draw with ASCII signs only.
#ascii = false

# Have no keys that change anything.
#read-only = false

# The filter, order and columns to begin with; --filter and --sort go before them.
#query = "state:active"
#sort = "-runtime"
#columns = "{id.f58} {name} {status_abbrev} {runtime}"

# What Y copies: "flux submit" or "flux mini submit"; without it, as the instance has it.
#submit = "flux submit"

# Keys of actions, by the names that "flux top --print-keys" lists. A key that
# another action of the same screen has is refused.
#[keys]
#"jobs.cancel" = "ctrl+k"
#"jobs.mark" = ["space", "insert"]

# Ways to look at the jobs, chosen by v or by :view NAME; :save-view NAME writes one here.
#[views.mine]
#query = "user:me state:active"
#sort = "-submit"
#columns = "{id.f58} {name} {runtime}"
#group = true

# When watched jobs end (b watches them): a line in the dashboard, the terminal's bell, a
# notification of the desktop (OSC 9), a command. The command has FLUX_JOBID, FLUX_JOBIDS,
# FLUX_JOB_NAME, FLUX_JOB_STATUS, FLUX_JOB_COUNT and FLUX_URI in its environment.
#[notify]
#message = true
#bell = true
#desktop = false
#command = "mail -s \\"$FLUX_JOB_NAME $FLUX_JOB_STATUS\\" me </dev/null"
# Jobs whose failing is told without being watched: a query.
#failures = "user:me"
# Seconds between two tellings at least; what happens meanwhile is told together.
#every = 5

# Instances in tabs beside the one that was asked for.
#[[instances]]
#uri = "ssh://login1/run/flux/local"
#name = "cluster1"

# Your own commands for the marked jobs, or the one under the cursor: by key, by :NAME and
# by Ctrl+P. A shell runs them with FLUX_JOBID, FLUX_JOBIDS and FLUX_URI; {id} and {ids} are
# put in as well. "background" ones run unseen and only tell how they ended.
#[commands.size]
#command = "flux job info {id} R | wc -c"
#key = "ctrl+t"
#description = "How large R is"
#confirm = false
#background = false

# Colours of your own for any role, the others as in "base": background surface panel cursor
# flash line dim soft text bright accent warning error success depend priority run cleanup
# canceled timeout stderr sand pink. Written #rrggbb; those made from ansi name the
# terminal's colours: red, bright_blue, default.
#[themes.mine]
#base = "dark"
#background = "#000000"
#accent = "#ffaf00"
"""

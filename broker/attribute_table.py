"""Every attribute of a broker: what it is without being set, who may change it, what it does.

This is the source of docs/attributes.md, and tests hold it against the code that reads attributes
and against what a running instance lists. The mechanics are in `broker.attributes`.
"""

from __future__ import annotations

from enum import Enum

from msgspec import Struct


class Change(Enum):
    """Who may change an attribute, and when."""

    REFUSED = "nobody"
    """A fact that the broker states; to set it is refused, at the start as well (EPERM)."""
    START = "owner, at the start"
    """Read when the broker starts; a later change is refused (EPERM)."""
    LOAD = "owner, counts when the module is loaded"
    """Read when the module concerned starts: a change counts from its next load."""
    ALWAYS = "owner, at any time"
    """A change takes effect at once."""


class Declaration(Struct, frozen=True):
    """One attribute.

    ``default`` is its value when nobody set it: the text itself if it is the same in every
    instance (``fixed``), otherwise words for it, empty for an attribute without a value.
    ``listed`` tells whether ``flux lsattr`` shows it in every instance, ``leader_only`` whether
    only rank 0 has it.
    """

    name: str
    default: str
    change: Change
    effect: str
    fixed: bool = True
    listed: bool = True
    leader_only: bool = False


def _fact(name: str, what: str, effect: str) -> Declaration:
    """Return an attribute by which the broker tells something of its own."""
    return Declaration(name, what, Change.REFUSED, effect, fixed=False)


_SESSION = (
    _fact("rank", "the rank", "The rank of this broker."),
    _fact("size", "the size", "The number of brokers of the instance."),
    Declaration(
        "rundir",
        "a new directory below `TMPDIR`",
        Change.START,
        "The directory for the broker's sockets and temporary files, mode 0700. One that the broker"
        " made is removed at its end.",
        fixed=False,
    ),
    Declaration(
        "rundir-cleanup",
        "1 for one that the broker made",
        Change.START,
        "Whether `rundir` is removed at the end, 0 or 1.",
        fixed=False,
        listed=False,
    ),
    Declaration(
        "statedir",
        "none",
        Change.START,
        "The directory for what outlives the instance: the store unless `content.backing-path` says"
        " where, and archives that are called `auto`. It is made with mode 0700 if it is missing.",
        fixed=False,
        listed=False,
    ),
    _fact("instance-level", "0", "How many instances enclose this one."),
    _fact("jobid", "", "The id of the job this instance is, in the enclosing instance."),
    Declaration(
        "jobid-path",
        "`/`",
        Change.REFUSED,
        "The ids of the jobs that the enclosing instances and this one are, each after a slash.",
        fixed=False,
        listed=False,
    ),
    _fact("security.owner", "the user id", "The user who owns the instance."),
    _fact("version", "0.29.0", "The version of flux-core we conform to."),
    Declaration(
        "config.path",
        "`FLUX_CONF_DIR`",
        Change.START,
        "File or directory of the [configuration](configuration.md).",
        fixed=False,
    ),
    _fact(
        "config.hostlist",
        "the hosts of `[bootstrap]`",
        "The hosts of the brokers in the order of ranks, in the form of RFC 29, if they are"
        " configured.",
    ),
    Declaration(
        "hostlist",
        "the hosts of all ranks",
        Change.REFUSED,
        "The hosts of the brokers in the order of ranks, in the form of RFC 29, once the resources"
        " of all of them are known.",
        fixed=False,
        listed=False,
    ),
    Declaration(
        "hostname",
        "the host's name",
        Change.LOAD,
        "The name of this host in R; read by the module `resource`.",
        fixed=False,
        listed=False,
    ),
)

_BROKER = (
    _fact("broker.pid", "the process id", "The broker's process."),
    Declaration(
        "broker.starttime",
        "the time",
        Change.REFUSED,
        "When the broker started, in seconds since the epoch.",
        fixed=False,
        listed=False,
    ),
    Declaration(
        "broker.recovery-mode",
        "none",
        Change.START,
        "With any value, the instance is in [recovery mode](store.md#after-a-crash): all resources"
        " are down, no job runs, modules that cannot be loaded are left out.",
        fixed=False,
        listed=False,
        leader_only=True,
    ),
    Declaration(
        "broker.boot-method",
        "what it was",
        Change.REFUSED,
        "How this broker learned of the others: `single` for one that is alone, `simple` by "
        "PMI, `config` by `[bootstrap]`.",
        fixed=False,
        listed=False,
    ),
    Declaration(
        "broker.uuid",
        "eight digits",
        Change.REFUSED,
        "What this broker is called in the routes of messages.",
        fixed=False,
        listed=False,
    ),
    Declaration(
        "broker.critical-ranks",
        "none",
        Change.START,
        "Ranks, as an idset, whose loss ends the instance, with exit code 1 unless something "
        "else failed.",
        fixed=False,
        listed=False,
        leader_only=True,
    ),
    Declaration(
        "broker.cleanup-timeout",
        "15s",
        Change.START,
        "How long jobs have to end when the instance does, in RFC 23 form, before they are "
        "killed; `none`: as long as it takes.",
        fixed=False,
        listed=False,
        leader_only=True,
    ),
    Declaration(
        "broker.shutdown-timeout",
        "20s",
        Change.START,
        "How long a broker waits for the end of those below it, in RFC 23 form; `none`: as "
        "long as it takes.",
        fixed=False,
        listed=False,
    ),
    Declaration(
        "broker.sd-notify",
        "0",
        Change.START,
        "Another value: the broker tells systemd, by NOTIFY_SOCKET of its environment, that it has"
        " started and what it does (`READY=1`, `STATUS=`). Below `flux start` the unit needs"
        " `NotifyAccess=all`.",
        fixed=False,
        listed=False,
    ),
    _fact("broker.mapping", "what PMI says", "Which ranks share a node, as in RFC 13."),
    Declaration(
        "broker.quorum",
        "all ranks",
        Change.START,
        "The ranks, as an idset, that must be online before the initial program runs; 0 for no"
        " waiting.",
        fixed=False,
    ),
    Declaration(
        "broker.quorum-timeout",
        "none",
        Change.START,
        "How long rank 0 waits for these, in RFC 23 form, before it gives up and the start fails;"
        " also how long it waits for the inventory of every rank, before R is made without those"
        " that have sent none. `none`: as long as it takes.",
        fixed=False,
        listed=False,
    ),
    Declaration(
        "broker.quorum-warn",
        "60s",
        Change.START,
        "How often the log names the ranks that rank 0 still waits for; `none`: never.",
        fixed=False,
        listed=False,
    ),
    Declaration(
        "broker.rc1_path",
        "built-in",
        Change.START,
        "What initializes the broker: `built-in` loads every module, by `flux modprobe rc1` if the"
        " site has files for it, anything else is a command for bash, the empty string nothing.",
    ),
    Declaration(
        "broker.rc2_none",
        "",
        Change.START,
        "If it is set, there is no initial program: the instance runs until it is shut down"
        " (`flux shutdown`).",
        listed=False,
        leader_only=True,
    ),
    Declaration(
        "broker.rc3_path",
        "built-in",
        Change.ALWAYS,
        "What finalizes the broker, as `broker.rc1_path`; modules that are loaded still are"
        " unloaded after it.",
    ),
    Declaration(
        "heartbeat.period",
        "2s",
        Change.LOAD,
        "Time between two heartbeats, in RFC 23 form; read by the module `heartbeat`.",
    ),
    Declaration(
        "conf.jobtap_pluginpath",
        "/etc/flux/jobtap/plugins",
        Change.LOAD,
        "Where jobtap plugins are looked for: directories, separated by colons; read by the module"
        " `job-manager`, if its environment has no FLUX_JOBTAP_PATH.",
    ),
    Declaration(
        "hello.timeout",
        "1",
        Change.START,
        "Seconds for which this broker collects word of brokers below it that are online before it"
        " passes it up; 0: until all are there.",
    ),
    Declaration(
        "hello.hwm",
        "the number of brokers from here downwards",
        Change.START,
        "How many brokers have to be online below this one, itself included, for word of them to"
        " go up before `hello.timeout`; 0: only the timeout counts.",
        fixed=False,
    ),
)

_TREE = (
    Declaration(
        "tbon.fanout", "2", Change.START, "How many brokers have the same parent in the tree."
    ),
    Declaration(
        "tbon.topo",
        "kary:2",
        Change.START,
        "The same as `kary:FANOUT`; `kary:0` puts all brokers below rank 0. It counts before "
        "`tbon.fanout`.",
        fixed=False,
        listed=False,
    ),
    Declaration(
        "tbon.connect_timeout",
        "that of `[tbon]`",
        Change.START,
        "How long a connection to the parent may take, as `connect_timeout` of"
        " [the configuration](configuration.md).",
        fixed=False,
        listed=False,
    ),
    Declaration(
        "tbon.tcp_user_timeout",
        "that of `[tbon]`",
        Change.START,
        "How long what was sent may stay unacknowledged, as `tcp_user_timeout` of"
        " [the configuration](configuration.md).",
        fixed=False,
        listed=False,
    ),
    _fact("tbon.descendants", "a count", "The number of brokers below this one."),
    _fact("tbon.level", "a count", "The number of links between this broker and the root."),
    _fact("tbon.maxlevel", "a count", "The same for the deepest broker."),
    _fact(
        "tbon.endpoint",
        "a socket in `rundir`, or a TCP port if brokers are on several hosts",
        "Where this broker's children connect to; a leaf has none.",
    ),
    _fact("tbon.parent-endpoint", "the parent's", "Where this broker's parent listens."),
    Declaration(
        "tbon.prefertcp",
        "0",
        Change.START,
        "A number other than 0: a TCP port even if all brokers are on this host.",
    ),
    Declaration(
        "tbon.zmqdebug",
        "0",
        Change.START,
        "A number other than 0: what happens to the sockets of the tree is logged, as lines with"
        " `sockevent` at level debug.",
    ),
    Declaration(
        "overlay.timeout",
        "30",
        Change.START,
        "Seconds for which a neighbour may be silent before it counts as lost; only those in which"
        " this broker runs.",
    ),
)

_SOCKETS = (
    Declaration(
        "local-uri",
        "a socket in `rundir`",
        Change.START,
        "How programs of this host connect to this broker.",
        fixed=False,
    ),
    _fact("parent-uri", "", "How to connect to the enclosing instance."),
    _fact("parent-kvs-namespace", "", "The namespace of the job that this instance is."),
    Declaration(
        "access.allow-guest-user",
        "false",
        Change.START,
        "`true`: other users than the owner may connect.",
    ),
    Declaration(
        "access.owner-backlog",
        "33554432",
        Change.START,
        "Bytes that may wait for a client of the owner's ([limits](limits.md)).",
    ),
    Declaration(
        "access.guest-backlog", "4194304", Change.START, "Bytes that may wait for a guest's client."
    ),
    Declaration(
        "access.guest-connections", "64", Change.START, "Connections that a guest may have."
    ),
)

_LOG = (
    Declaration(
        "log-level",
        "7",
        Change.ALWAYS,
        "Severity, 0 to 7, up to which entries are kept in the ring.",
    ),
    Declaration(
        "log-forward-level",
        "7",
        Change.ALWAYS,
        "Severity up to which entries go to rank 0, and to `log-filename`.",
    ),
    Declaration(
        "log-critical-level",
        "2",
        Change.ALWAYS,
        "Severity up to which a broker's own entries go to its standard error in any case.",
    ),
    Declaration(
        "log-stderr-level", "3", Change.ALWAYS, "Severity up to which entries go to standard error."
    ),
    Declaration(
        "log-stderr-mode",
        "leader",
        Change.ALWAYS,
        "`leader`: rank 0 writes the entries of all ranks to its standard error; `local`: each"
        " broker writes its own.",
    ),
    Declaration(
        "log-filename",
        "",
        Change.ALWAYS,
        "A file that rank 0 appends the instance's entries to; the empty string for none. Other"
        " ranks refuse a change.",
    ),
    Declaration("log-ring-size", "1024", Change.ALWAYS, "How many entries the ring holds."),
    _fact("log-ring-used", "a count", "How many entries the ring holds now."),
    _fact("log-count", "a count", "How many entries were ever put in."),
)

_CONTENT = (
    Declaration(
        "content.backing-path",
        "`content.sqlite` in `rundir`",
        Change.LOAD,
        "The file of the [store](store.md), for `content-files` a directory. One that was named"
        " outlives the instance and is used again. A change is refused while there is a backing"
        " store.",
        fixed=False,
    ),
    Declaration(
        "content.backing-module",
        "content-sqlite",
        Change.START,
        "The module with the backing store: `content-sqlite`, `content-files`, or `none` at the"
        " start for no store.",
        leader_only=True,
    ),
    Declaration(
        "content.dump",
        "",
        Change.ALWAYS,
        "The archive (`flux dump`) that the key-value store is written to when the instance ends"
        " and its jobs have, `auto` for one named by the time in `dump/`, or in that folder of"
        " `statedir`; empty for none.",
        listed=False,
        leader_only=True,
    ),
    Declaration(
        "content.restore",
        "",
        Change.START,
        "The archive that the key-value store is read from when the instance starts, `auto` for the"
        " one that the last end with `content.dump=auto` left, if it is still to be read; empty for"
        " none.",
        listed=False,
        leader_only=True,
    ),
    Declaration("content.hash", "sha1", Change.START, "The hash of blobrefs: `sha1` or `sha256`."),
    Declaration(
        "content.blob-size-limit", "1073741824", Change.ALWAYS, "The largest blob, in bytes."
    ),
    Declaration(
        "content.flush-batch-limit", "256", Change.ALWAYS, "How many blobs are stored at a time."
    ),
    _fact("content.flush-batch-count", "a count", "How many blobs are being stored."),
    Declaration(
        "content.purge-target-size",
        "16777216",
        Change.ALWAYS,
        "Bytes that the cache is kept below, if it can be.",
    ),
    Declaration(
        "content.purge-old-entry",
        "10",
        Change.ALWAYS,
        "Seconds for which an entry stays in the cache after its last use. What nobody asks for in"
        " two minutes is dropped whatever room there is.",
    ),
    _fact("content.acct-entries", "a count", "The entries of the cache."),
    _fact("content.acct-size", "a count", "The bytes of the cache."),
    _fact("content.acct-dirty", "a count", "The entries that are not stored yet."),
    _fact("content.acct-valid", "a count", "The entries whose blob is here."),
    Declaration(
        "content.grace-period",
        "5",
        Change.ALWAYS,
        "Seconds for which a superseded root is readable.",
    ),
    Declaration(
        "content.collect-growth",
        "30",
        Change.ALWAYS,
        "Collect when what is probably dead is so many percent of what was in use; 0 for never.",
        leader_only=True,
    ),
    Declaration(
        "content.collect-minimum",
        "16777216",
        Change.ALWAYS,
        "And at least so many bytes have been stored since.",
        leader_only=True,
    ),
)

_PATHS = (
    _fact("conf.exec_path", "a path", "Where the sub-commands of `flux` are."),
    _fact("conf.module_path", "a path", "Where the broker's modules are."),
    _fact("conf.connector_path", "a path", "Where the connectors are."),
    _fact("conf.pmi_library_path", "a path", "Where the PMI server is."),
    Declaration(
        "conf.shell_initrc",
        "/etc/flux/shell/initrc.lua",
        Change.ALWAYS,
        "The initrc of job shells whose job names none; one that does not exist counts only if it"
        " was set.",
    ),
    Declaration(
        "conf.shell_pluginpath",
        "/etc/flux/shell/plugins",
        Change.ALWAYS,
        "Where plugins of job shells are looked for: directories, separated by colons. Without an"
        " initrc, all that are there are loaded.",
    ),
)

SECTIONS: dict[str, tuple[Declaration, ...]] = {
    "The instance": _SESSION,
    "The broker": _BROKER,
    "The tree": _TREE,
    "Connections": _SOCKETS,
    "The log": _LOG,
    "The content store": _CONTENT,
    "Paths": _PATHS,
}

ATTRIBUTES: dict[str, Declaration] = {
    declared.name: declared for section in SECTIONS.values() for declared in section
}

NEVER_LISTED = frozenset(
    (
        "broker.boot-method",
        "broker.starttime",
        "broker.uuid",
        "jobid-path",
        "rundir-cleanup",
        "tbon.topo",
    )
)
"""Attributes that only clients of today's flux-core ask for."""
FACTS = frozenset(name for name, one in ATTRIBUTES.items() if one.change is Change.REFUSED)
"""What nobody sets, not even on the command line."""

AT_START = frozenset(name for name, one in ATTRIBUTES.items() if one.change is Change.START)
"""What is set on the command line only."""

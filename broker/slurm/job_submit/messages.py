"""What the host of job-submit plugins and the process that runs them say to each other."""

from msgspec import Struct

from flux.wire.json import JsonObject


class LuaSettings(Struct, frozen=True):
    """``[job-submit.lua]``, all of it decided: a path, a version of Lua, instructions for one call,
    the name of the cluster, whether errors of the script refuse jobs.
    """

    script: str
    version: str
    instruction_limit: int
    cluster: str
    refuses: bool


class PluginSetup(Struct, frozen=True):
    """One plugin: a script in Lua, a file in Python, or one that is shipped."""

    name: str
    path: str | None = None
    conf: JsonObject = {}
    lua: LuaSettings | None = None


class Setup(Struct, frozen=True):
    """The plugins in their order; ``uri`` is the broker's."""

    plugins: tuple[PluginSetup, ...]
    uri: str = ""


class LoadAnswer(Struct, frozen=True):
    """The answer to that: the plugin that cannot be loaded, and why; none if all are."""

    plugin: str = ""
    errnum: int = 0
    text: str = ""


class JobToCheck(Struct):
    """A job on its way in, with the id that it gets."""

    id: int
    userid: int
    urgency: int
    jobspec: JsonObject


class JobsToCheck(Struct):
    """Jobs to look at, for ``budget`` seconds; what is not begun by then is left for another
    message.
    """

    jobs: list[JobToCheck]
    queues: list[JsonObject] = []
    budget: float = 1.0


class ChangeRequest(Struct):
    """A change of a job that a user asks for, and the job: its jobspec, owner and other facts."""

    userid: int
    owner: int
    jobspec: JsonObject
    facts: JsonObject
    updates: JsonObject
    urgency: int | None = None
    queues: list[JsonObject] = []


class JobAnswer(Struct, omit_defaults=True):
    """What became of a job: ``lines`` for its user, the error number and text it is ``refused``
    with, what is different. A ``jobspec`` with the ``same_environment`` comes without it, for that
    is most of it.
    """

    lines: list[str] = []
    refused: tuple[int, str] | None = None
    jobspec: JsonObject | None = None
    urgency: int | None = None
    updates: JsonObject | None = None
    same_environment: bool = False

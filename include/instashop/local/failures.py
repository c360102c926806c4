"""What can go wrong on this machine; each message names the cause and the cure."""

from instashop.errors import InstaShopError


class NotReady(InstaShopError):
    """This machine is not ready:
    {problems}
    """


class UpTaken(InstaShopError):
    """`./instashop {command}` already runs (process {pid}) on {home}; wait until it has ended, or interrupt it."""


class HomeTaken(InstaShopError):
    """{home} belongs to a platform that runs already, but with other settings ({differences}).
    For a second platform beside it give a folder of its own: INSTASHOP_HOME=/another/folder INSTASHOP_PORT_OFFSET={offset} ./instashop up.
    To change the one that runs: `./instashop down` first, which its folder is enough for.
    """


class NoHome(InstaShopError):
    """{home} has folders that no `./instashop up` has made ({found}), which a reset would delete; set INSTASHOP_HOME to a folder of the platform's own."""


class NothingThere(InstaShopError):
    """No platform has been started in {home}; start it with `./instashop up`, or set INSTASHOP_HOME."""


class NotConfirmed(InstaShopError):
    """This deletes all data in {home}; say so with `./instashop reset --yes`."""


class RunElsewhere(InstaShopError):
    """`{command}` is for servers that run here, but INSTASHOP_SERVERS says elsewhere; start and stop them where they run (containers: `docker compose up --wait`, `docker compose down`)."""


class StepFailed(InstaShopError):
    """{step}: {cause}"""


class ServerFailed(InstaShopError):
    """{server} {what}.
    The last lines of {log}:
    {lines}
    Cure: {cure}
    """


class Interrupted(InstaShopError):
    """Interrupted while: {step}. What this start began is stopped again; run it again at any time."""


class DownInterrupted(InstaShopError):
    """Interrupted, so a part of the platform still runs; `./instashop down` ends the rest, `./instashop up` starts all of it again."""


class DownloadFailed(InstaShopError):
    """The jars of {name} could not be fetched:
    {lines}
    Cure: check that this machine reaches a Maven repository, then run it again; what is there is kept.
    """


class NoPlaceForJars(InstaShopError):
    """{folder}, where the jars are kept for every checkout, cannot be made ({cause}); give this user a home: HOME=/a/folder/of/its/own ./instashop up."""


class RehearsalFailed(InstaShopError):
    """The rehearsal of {name}: {what}. The last lines of its log:
    {lines}
    """


class InitFailed(InstaShopError):
    """{what} could not be set up:
    {lines}
    Cure: {cure}
    """


class StillAlive(InstaShopError):
    """These processes did not end: {names}. Look at them with `ps`, then run `./instashop down` again."""


class SocketFolderTaken(InstaShopError):
    """{folder} is to have supervisord's socket, since the path of {home} is too long for one, but is no folder that you alone can open (it is {found}). Look whose it is and have it removed, or set INSTASHOP_HOME to a shorter path."""


class SupervisorFailed(InstaShopError):
    """supervisord does not start:
    {lines}
    Cure: read {log}; if another one holds {socket}, end it, then run it again.
    """


class SupervisorEnds(InstaShopError):
    """supervisord is ending, because somebody sent it a signal; its last words are in {log}. Run this again once it has gone."""

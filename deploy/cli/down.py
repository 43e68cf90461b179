"""`aspire down`: end the instance that runs in ASPIRE_HOME."""

from deploy.cli.terminal import say
from deploy.embedded.home import default_home
from deploy.embedded.state import down as end_instance


def down() -> None:
    """Stop what runs in ASPIRE_HOME, from another terminal.

    It returns when the last process has gone; the data stay. Where nothing runs, nothing is done.

    Examples:

      aspire down

      ASPIRE_HOME=/tmp/second aspire down
    """
    home = default_home()
    if end_instance(home):
        say(f"Stopped the instance in {home}. Its data stay.")
    else:
        say(f"Nothing runs in {home}.")

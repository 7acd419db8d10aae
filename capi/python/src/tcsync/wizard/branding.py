"""The presentation of the setup in a host program: its heading, and the cloud server that the menu offers first."""

from __future__ import annotations

import os
from dataclasses import dataclass

from tcsync import normalise_url

#: The cloud server that the setup offers; the only place that names it.
DEFAULT_CLOUD_URL = "https://sync.brainplorp.com"
#: The environment variable that replaces every cloud server's URL, for staging and tests.
CLOUD_URL_VARIABLE = "TCSYNC_CLOUD_URL"


@dataclass(frozen=True)
class Branding:
    """The wording of a host program. Plain text in one line each; immutable."""

    #: The first line that the setup prints.
    title: str = "tcsync: Taskwarrior on several computers"
    #: The cloud server's name in the menu.
    cloud_name: str = "Cloud server"
    #: The cloud server's URL.
    cloud_url: str = DEFAULT_CLOUD_URL
    #: The remark behind the cloud server's name in the menu, in parentheses; empty for none.
    cloud_remark: str = "recommended for testing"

    @property
    def cloud_option(self) -> str:
        return f"{self.cloud_name} ({self.cloud_remark})" if self.cloud_remark else self.cloud_name

    def effective_cloud_url(self) -> str:
        """The URL to use: that of TCSYNC_CLOUD_URL when the variable is set and not empty. UrlError when the chosen one
        cannot be a sync server's."""
        named = os.environ.get(CLOUD_URL_VARIABLE, "")
        return normalise_url(named if named.strip() else self.cloud_url)


#: The wording of `tcsync setup` itself.
NEUTRAL = Branding()

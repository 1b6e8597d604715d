"""OSCQuery: the stage described over HTTP, followed over WebSocket, found by zeroconf.

The protocol is the proposal at https://github.com/Vidvox/OSCQueryProposal, spoken by ossia score, Chataigne, VDMX and
MadMapper among others. `namespace` is what is said of each address, `guard` who may ask, `server` the two protocols on
one port, `announce` the announcement.
"""

from realtime.osc.query.announce import Announcement
from realtime.osc.query.server import DEFAULT_QUERY_PORT, QueryServer

__all__ = ["DEFAULT_QUERY_PORT", "Announcement", "QueryServer"]

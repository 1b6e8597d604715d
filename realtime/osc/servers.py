"""All OSC servers of a stage, started and closed together: UDP, TCP, feedback, OSCQuery and its announcement."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping

from realtime.osc.osc_feedback import LAPSE_S, OscFeedback, Readings
from realtime.osc.osc_router import Command, OscRouter, no_readings
from realtime.osc.query import Announcement, QueryServer
from realtime.osc.tcp import TcpServer
from realtime.osc.udp import Counts, OscError, UdpServer
from realtime.params.stage_protocol import Stage


class OscSurface:
    """The OSC servers of a stage.

    Parameters
    ----------
    stage
        Stage to control.
    host, port
        Address to listen on with UDP; port 0 takes a free one. TCP uses the same number, or any other if port 0 was
        given and the number is taken.
    query_port
        Port of OSCQuery; 0 takes a free one, None disables it.
    readings
        Values that can only be read, by address.
    commands
        Commands by address.
    name
        Name on the network.
    announce
        Whether to announce the stage by zeroconf.
    lapse_s
        Seconds without renewal after which a subscription over UDP ends.
    drop_late_s
        Drop messages whose time tag is further in the past than this; None lets them take effect at once.
    origins
        Origins of web pages that may use OSCQuery.

    Raises
    ------
    OscError
        A port cannot be opened; none stays open then.
    """

    def __init__(
        self,
        stage: Stage,
        host: str,
        port: int,
        *,
        query_port: int | None = None,
        readings: Readings = no_readings,
        commands: Mapping[str, Command] | None = None,
        name: str = "glitch-live",
        announce: bool = True,
        lapse_s: float = LAPSE_S,
        drop_late_s: float | None = None,
        origins: Collection[str] = (),
    ) -> None:
        self._stack = contextlib.ExitStack()
        with contextlib.ExitStack() as opened:  # closes the others if one cannot be opened
            self.feedback = OscFeedback(stage, readings, lapse_s=lapse_s)
            opened.callback(self.feedback.close)
            route = OscRouter(stage, readings, self.feedback, commands).handle
            self.udp = UdpServer(host, port, route, drop_late_s=drop_late_s)
            opened.callback(self.udp.close)
            try:
                self.tcp = TcpServer(host, self.udp.port, route, drop_late_s=drop_late_s)
            except OscError:
                if port:
                    raise
                self.tcp = TcpServer(host, 0, route, drop_late_s=drop_late_s)
            opened.callback(self.tcp.close)
            self.query: QueryServer | None = None
            self.announcement: Announcement | None = None
            if query_port is not None:
                self.query = QueryServer(
                    host,
                    query_port,
                    stage,
                    route,
                    osc_port=self.udp.port,
                    readings=readings,
                    name=name,
                    origins=origins,
                )
                opened.callback(self.query.close)
                if announce:
                    self.announcement = Announcement(name, host, query_port=self.query.port, osc_port=self.udp.port)
                    opened.callback(self.announcement.close)
            self._stack = opened.pop_all()
        self.host, self.port = host, self.udp.port

    @property
    def counts(self) -> Counts:
        """Counts of all transports."""
        received = self.udp.counts + self.tcp.counts
        return received if self.query is None else received + self.query.counts

    def start(self) -> None:
        """Start all servers."""
        self.feedback.start()
        self.udp.start()
        self.tcp.start()
        if self.query is not None:
            self.query.start()
        if self.announcement is not None:
            self.announcement.start()

    def close(self) -> None:
        """Stop all servers and release the ports. May be called twice."""
        self._stack.close()

/**
 * How a socket finds out that the other machine is gone: by TCP's own keepalive, never by ZMTP heartbeats.
 *
 * libzmq 4.3.5 aborts the process (`Assertion failed: !_io_error`, stream_engine_base.cpp) when a ZMTP heartbeat falls
 * due on a connection whose peer left while our receive queue was full: any admitted peer could end a broker by
 * flooding it and hanging up. test/e2e/hostile-frames.test.ts does just that. That the peer's event loop lives is proven
 * by the grid's own heartbeats (exchanges, E4).
 */
export const deadConnectionOptions = {
  heartbeatInterval: 0,
  tcpKeepalive: 1,
  /** Seconds of silence before the first probe, between probes, and probes before the connection is given up. */
  tcpKeepaliveIdle: 10,
  tcpKeepaliveInterval: 5,
  tcpKeepaliveCount: 3,
} as const;

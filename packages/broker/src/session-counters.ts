/** By reason: what was let in, and what was not. */
export function newSessionCounters() {
  return {
    opened: 0,
    malformed: 0,
    unknownKinds: 0,
    unknownSession: 0,
    forgedSession: 0,
    version: 0,
    replayedHello: 0,
    overtakenHello: 0,
    badSignature: 0,
    unknownKey: 0,
    wrongRole: 0,
    tooManySessions: 0,
    superseded: 0,
    overCredit: 0,
    silent: 0,
    overflow: 0,
    gone: 0,
    revoked: 0,
    ended: 0,
  };
}

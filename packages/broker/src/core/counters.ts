/** What the broker counts of what it does, for `status` and the metrics. */
export interface Counters {
  accepted: number;
  duplicateSubmissions: number;
  leased: number;
  succeeded: number;
  failed: number;
  cancelled: number;
  requeued: number;
  fenced: number;
  expired: number;
  adopted: number;
  forbidden: number;
  leaseRepeats: number;
  /** Workers beyond limits.workers. */
  turnedAway: number;
  /** Hellos of workers under a name that is another's. */
  namesTaken: number;
}

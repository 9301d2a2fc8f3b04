/**
 * The audit log of a running broker: gathers, writes every second what was granted and every ten what was refused, has the
 * journal name what is on disk, and signs every ten minutes.
 */
import { join } from 'node:path';
import type { JournalHead } from '@gryphgen/protocol';
import type { Identity, Log } from '@gryphgen/runtime';
import { AccessNotes } from './access-notes.ts';
import type { AuditHead } from './audit-chain.ts';
import { AuditCollector } from './audit-collector.ts';
import { AuditLog, type AuditLogOptions } from './audit-log.ts';

/** Of ticks of half a second. */
const grantedTicks = 2;
const refusedTicks = 20;
const signedTicks = 1200;
/** Keys whose last address is known: as many as may be enrolled. */
const mostAddresses = 10_000;

export interface AuditBounds {
  /** Older records go beyond it. */
  readonly maxBytes: number;
  readonly maxAgeMs: number;
}

export const auditBounds: AuditBounds = { maxBytes: 256 * 1024 * 1024, maxAgeMs: 400 * 24 * 3600_000 };

export interface AuditDeskOptions extends AuditBounds {
  readonly home: string;
  readonly grid: string;
  readonly signer: Identity;
  readonly journalHead: () => JournalHead;
  readonly wallMs: () => number;
  readonly log: Log;
  /** On disk up to here. */
  readonly onWritten: (head: AuditHead) => void;
}

export class AuditDesk {
  readonly access: AccessNotes;
  private readonly options: AuditDeskOptions;
  private readonly collector = new AuditCollector();
  private readonly log: AuditLog;
  private readonly addresses = new Map<string, string>();
  private ticks = 0;
  private named = 0;
  private isTroubled = false;

  constructor(options: AuditDeskOptions) {
    const { home, log, onWritten: _, ...rest } = options;
    this.options = options;
    this.access = new AccessNotes(this.collector, options.wallMs);
    const onTrouble: AuditLogOptions['onTrouble'] = (error, at) => {
      if (at === 'forget') {
        log.warn(
          { err: error },
          'the oldest files of the audit log cannot be removed; they take more than they may',
        );
        return;
      }
      if (!this.isTroubled)
        log.warn({ err: error }, 'the audit log cannot be written; what is to be recorded waits');
      this.isTroubled = true;
    };
    this.log = new AuditLog({ ...rest, dir: join(home, 'audit'), onTrouble });
  }

  /** Entries that were lost because the disk did not write for too long. */
  get dropped(): number {
    return this.log.dropped;
  }

  /** `anchor`: the record that the journal names; it names the newest when this resolves. Rejects with what the file system says. */
  async start(anchor: AuditHead | null): Promise<void> {
    await this.log.start(anchor);
    await this.tell();
  }

  /** Everything gathered is written and signed. */
  async stop(): Promise<void> {
    this.gather(true);
    await this.log.stop();
  }

  /** A connection came with this CURVE key. */
  door(curveKey: string, address: string, admitted: boolean): void {
    if (!admitted) {
      const refused = {
        who: '',
        role: '',
        what: 'connect',
        subject: '',
        code: 'rejected.forbidden',
      } as const;
      this.collector.note({ ...refused, from: address }, this.options.wallMs());
      return;
    }
    this.addresses.delete(curveKey);
    this.addresses.set(curveKey, address);
    const [oldest] = this.addresses.keys();
    if (this.addresses.size > mostAddresses && oldest !== undefined) this.addresses.delete(oldest);
  }

  /** From where a CURVE key came last; '' when nothing was told. */
  addressOf(curveKey: string): string {
    return this.addresses.get(curveKey) ?? '';
  }

  tick(): void {
    this.ticks += 1;
    if (this.ticks % signedTicks === 0) this.log.checkpoint();
    if (this.ticks % grantedTicks !== 0) return;
    this.gather(this.ticks % refusedTicks === 0);
    void this.tell();
  }

  /** Writes what there is, and has the journal name it. */
  private async tell(): Promise<void> {
    const { newest } = this.log;
    if (newest.seq === this.named) return;
    const isWritten = await this.log.flush();
    if (!isWritten || newest.seq <= this.named) return;
    this.isTroubled = false;
    this.named = newest.seq;
    this.options.onWritten(newest);
  }

  private gather(refusedToo: boolean): void {
    this.access.takeSubmissions();
    for (const entry of this.collector.takeGranted()) this.log.add(entry);
    if (refusedToo) for (const entry of this.collector.takeRefused()) this.log.add(entry);
  }
}

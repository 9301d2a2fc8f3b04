/** One life of the broker of a home, and of what stands beside it: the endpoint that gives its voucher to members. */
import { join } from 'node:path';
import { Broker } from '@gryphgen/broker';
import { gridOf, loadMembership } from '@gryphgen/client';
import type { Timers } from '@gryphgen/protocol';
import {
  type AuthorizedKeys,
  brokerSocketPath,
  type Config,
  type Log,
  limitTableOf,
  makeRunFolder,
  runFolder,
  systemAlarms,
  systemClock,
  systemRandom,
  VoucherServer,
  voucherEndpoint,
} from '@gryphgen/runtime';
import { portAfter } from '../port-after.ts';
import { artifactsAge, keptByBroker, keptLogs } from '../settings.ts';
import { prepareHome } from './grid-home.ts';
import type { HomeStanding } from './home-standing.ts';

export interface RunningBrokerOptions {
  readonly config: Config;
  /** Where it listens beside its home's socket; ports that were chosen before stay. */
  readonly listen: readonly string[];
  readonly log: Log;
  /** Default: those of every broker. */
  readonly timers?: Timers | undefined;
  readonly onFatal: (error: unknown) => void;
  /** Something was announced; with `newKey` this life is to end, and the next has it. */
  readonly onChanged: (newKey: boolean) => void;
}

export class RunningBroker {
  private readonly broker: Broker;
  private readonly standing: HomeStanding;
  private readonly authorized: AuthorizedKeys;
  private readonly gridKey: string;
  private readonly log: Log;
  private vouchers: VoucherServer | undefined;
  /** Ports filled in. */
  bound: readonly string[] = [];

  constructor({ config, listen, log, timers, onFatal, onChanged }: RunningBrokerOptions) {
    const { home, artifactsBytes, principalLimits } = config;
    const { identity, signer, authorized, standing } = prepareHome(home, systemClock.wall());
    makeRunFolder(home);
    this.standing = standing;
    this.authorized = authorized;
    this.gridKey = signer.key;
    this.log = log;
    this.broker = new Broker({
      home,
      // Whoever shares this home always finds it by its socket, whatever else it listens at.
      endpoints: [...new Set([`ipc://${brokerSocketPath(home)}`, ...listen])],
      grid: gridOf(loadMembership(home)),
      identity,
      signer,
      standing,
      authorized,
      artifacts: {
        folder: join(home, 'artifacts'),
        endpoints: [`ipc://${runFolder(home)}/artifacts.sock`, ...config.listen.flatMap(artifactsEndpoint)],
        budgetBytes: artifactsBytes,
        ...artifactsAge(config),
        logs: keptLogs(config),
      },
      principalLimits: limitTableOf(principalLimits),
      clock: systemClock,
      alarms: systemAlarms,
      random: systemRandom,
      log,
      ...keptByBroker(config),
      ...(timers && { timers }),
      onFatal,
      onChanged,
    });
  }

  /** Resolves with where it answers. */
  async start(): Promise<readonly string[]> {
    this.bound = await this.broker.start();
    await this.openVouchers();
    return this.bound;
  }

  /** Once there is a voucher; the broker goes on where its port is taken. */
  async openVouchers(): Promise<void> {
    const endpoints = this.bound.flatMap((endpoint) => voucherEndpoint(endpoint) ?? []);
    if (this.standing.voucher === '' || this.vouchers !== undefined || endpoints.length === 0) return;
    const vouchers = new VoucherServer({
      endpoints,
      gridKey: this.gridKey,
      admits: (curveKey) => this.authorized.admitsCurve(curveKey),
      voucher: () => this.standing.voucher,
      clock: systemClock,
    });
    this.vouchers = vouchers;
    await vouchers.start().catch(async (error: unknown) => {
      const words = 'members that were away when the broker was given another key cannot ask for it';
      this.log.warn({ err: error }, words);
      await vouchers.stop();
    });
  }

  async stop(): Promise<void> {
    await this.vouchers?.stop();
    await this.broker.stop();
  }
}

/** At the port after the broker's: who opened that one to others opens this one, too. None beside a socket of this machine. */
function artifactsEndpoint(endpoint: string): readonly string[] {
  const beside = portAfter(endpoint);
  return beside === undefined ? [] : [beside];
}

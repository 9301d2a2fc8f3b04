/**
 * Hosts of their own on this machine: network namespaces on one bridge, which is the first host's. Each has an address and a
 * `grid` of its own; what goes from one to another can be dropped or refused (iptables), slowed down (tc), or take long (a line).
 *
 * 1. What comes in is dropped where it arrives, so that whoever sent it hears nothing of that.
 * 2. At the end no namespace, and no process in one, is left.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { GridFixture } from './cli-grid.fixture.ts';

const bridge = 'lan';
const farLine = fileURLToPath(new URL('./far-line.ts', import.meta.url));
/** One packet is more than what a bucket of less can let through. */
const bucketBytes = 16_000;

export class Host extends GridFixture {
  readonly address: string;
  private readonly namespace: string;

  constructor(namespace: string, address: string) {
    super(namespace);
    this.namespace = namespace;
    this.address = address;
  }

  /** That have come over the network. */
  received(): number {
    const [link] = JSON.parse(this.run('ip', '-s', '-j', 'link', 'show', 'eth0')) as [
      { stats64: { rx: { bytes: number } } },
    ];
    return link.stats64.rx.bytes;
  }

  /** Hears nothing from the other any more, which still hears this one. */
  deafTo(other: Host): void {
    this.run('iptables', '-w', '-I', 'INPUT', '-s', other.address, '-j', 'DROP');
  }

  /** Has all its connections with the other ended, and takes none from there, as by a firewall between them. */
  refuse(other: Host): void {
    const reset = ['-j', 'REJECT', '--reject-with', 'tcp-reset'];
    this.run('iptables', '-w', '-I', 'INPUT', '-s', other.address, '-p', 'tcp', ...reset);
  }

  /** Takes no connection from elsewhere any more, as behind a NAT; those it has, and makes, go on. */
  takeNoConnections(): void {
    this.run('iptables', '-w', '-I', 'INPUT', '!', '-i', 'lo', '-p', 'tcp', '--syn', '-j', 'DROP');
  }

  /** Loses this part of what comes in. */
  lose(part: number): void {
    const random = ['-m', 'statistic', '--mode', 'random', '--probability', `${part}`];
    this.run('iptables', '-w', '-I', 'INPUT', '!', '-i', 'lo', ...random, '-j', 'DROP');
  }

  /** Hears everything again. */
  hearAll(): void {
    this.run('iptables', '-w', '-F', 'INPUT');
  }

  /** What it sends waits for its turn. */
  slow(kbitPerS: number): void {
    const rate = ['rate', `${kbitPerS}kbit`, 'burst', `${bucketBytes}`, 'latency', '1s'];
    this.run('tc', 'qdisc', 'replace', 'dev', 'eth0', 'root', 'tbf', ...rate);
  }

  /**
   * A long line to another host: whoever here talks to these ports of 127.0.0.1 talks to the other's, and what is said takes so
   * long, and a bit, each way. It stands for netem, which this kernel may not have.
   */
  async farFrom(other: Host, delayMs: number, jitterMs: number, ...ports: readonly number[]): Promise<void> {
    const line = [farLine, other.address, ...[delayMs, jitterMs, ...ports].map(String)];
    const inside = ['netns', 'exec', this.namespace, process.execPath, '--import', 'tsx', ...line];
    const child = spawn('ip', inside, { stdio: ['ignore', 'pipe', 'inherit'] });
    await Promise.race([once(child.stdout, 'data'), endOf(child)]);
  }

  override async stop(): Promise<void> {
    for (const pid of execFileSync('ip', ['netns', 'pids', this.namespace], { encoding: 'utf8' }).split('\n'))
      if (pid !== '') kill(Number(pid));
    await super.stop();
    execFileSync('ip', ['netns', 'delete', this.namespace]);
  }

  run(...command: readonly string[]): string {
    return execFileSync('ip', ['netns', 'exec', this.namespace, ...command], { encoding: 'utf8' });
  }
}

/** The first has the bridge. `names`: at most three letters each. */
export function hosts(...names: readonly string[]): readonly Host[] {
  const made: Host[] = [];
  for (const [index, name] of names.entries()) {
    const namespace = `gg-${process.pid}-${name}`;
    execFileSync('ip', ['netns', 'add', namespace]);
    const host = new Host(namespace, `10.77.0.${index + 1}`);
    made.push(host);
    const first = made[0] as Host;
    if (host === first) {
      host.run('ip', 'link', 'add', bridge, 'type', 'bridge');
      // Else it answers for its host, too, and what comes is not seen to come (`received`).
      host.run('sh', '-c', `echo 1 > /proc/sys/net/ipv4/conf/${bridge}/arp_ignore`);
    }
    const port = `port${index}`;
    first.run('ip', 'link', 'add', port, 'type', 'veth', 'peer', 'name', `${port}-peer`);
    first.run('ip', 'link', 'set', `${port}-peer`, 'netns', namespace, 'name', 'eth0');
    first.run('ip', 'link', 'set', port, 'master', bridge, 'up');
    host.run('ip', 'address', 'add', `${host.address}/24`, 'dev', 'eth0');
    for (const device of ['lo', 'eth0']) host.run('ip', 'link', 'set', device, 'up');
    if (host === first) host.run('ip', 'link', 'set', bridge, 'up');
  }
  return made;
}

async function endOf(child: ChildProcess): Promise<never> {
  const [code] = await once(child, 'exit');
  throw new Error(`the line to another host ended with ${code}`);
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

/** Asks at a broker's address who the broker is now (voucher-server.ts). */
import { limits } from '@gryphgen/protocol';
import { Dealer } from 'zeromq';
import type { Alarms } from './clock.ts';
import type { CurveKeys } from './keys.ts';
import { openKeysOf, voucherMagic } from './voucher-server.ts';

const answerMs = 2000;
/** After that of the broker, and of its artifacts. */
const portsOn = 2;
const maxPort = 65_535;

/** Where the broker that listens at `endpoint` is asked for its voucher; undefined beside a socket of this machine. */
export function voucherEndpoint(endpoint: string): string | undefined {
  const [, host, port] = /^(tcp:\/\/.+):([0-9]+)$/.exec(endpoint) ?? [];
  const beside = Number(port) + portsOn;
  return host === undefined || beside > maxPort ? undefined : `${host}:${beside}`;
}

/** What is answered, believed by nobody yet; undefined when nothing is. Never rejects. */
export async function askVoucher(
  endpoint: string,
  gridKey: string,
  curve: CurveKeys,
  alarms: Alarms,
): Promise<string | undefined> {
  const dealer = new Dealer({
    linger: 0,
    maxMessageSize: limits.voucherChars,
    curvePublicKey: curve.publicKey,
    curveSecretKey: curve.secretKey,
    curveServerKey: openKeysOf(gridKey).publicKey,
  });
  const cancel = alarms.after(answerMs, () => dealer.close());
  try {
    dealer.connect(endpoint);
    await dealer.send(voucherMagic);
    const [magic, voucher, ...more] = await dealer.receive();
    return more.length === 0 && String(magic) === voucherMagic ? voucher?.toString() : undefined;
  } catch {
    // No address, or closed: nobody has answered in time.
    return undefined;
  } finally {
    cancel();
    if (!dealer.closed) dealer.close();
  }
}

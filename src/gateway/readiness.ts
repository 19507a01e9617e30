// Can mail be taken at all? Asked at MAIL, and again before 354 is said. Called by connection.ts and transaction.ts.

import { MailError } from '../mail/error.ts';
import type { GatewayPorts } from './gateway.ts';

/** Throws MailError notReady, busy or noSpace while what is taken could not be scanned or written down. */
export function throwNotReady({ scan, ledger }: Pick<GatewayPorts, 'scan' | 'ledger'>): void {
  const why = scan.notReady();
  if (why !== null) throw new MailError(why === 'busy' ? 'busy' : 'notReady', `not ready: ${why}`);
  const unable = ledger.notReady();
  if (unable !== null) throw new MailError(unable, 'not ready: the database cannot be written');
}

// Where things lie in the data folder that the gateway and the commands both open. Apart from the parts that use them,
// so that a command that only reads starts fast.

import { join } from 'node:path';

/** The database of a data folder. */
export function databasePath(data: string): string {
  return join(data, 'postern.db');
}

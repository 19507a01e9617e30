// `npm run bench`: measures Postern beside its peers on this machine. docs/bench.md says what is compared and what is not.
// Starts everything it needs in a temporary folder on 127.0.0.1, and ends and removes all of it.

import { existsSync } from 'node:fs';
import { barsOf, print, runGateway } from './gateway.ts';
import { machine, versions } from './machine.ts';
import { corpusFolder } from './mail.ts';
import { type Options, readOptions, USAGE, UsageError } from './options.ts';
import { printTopic, runLarge, runMemory, runSize } from './topics.ts';
import { startWorld } from './world.ts';

async function main(options: Options): Promise<number> {
  const about = { machine: machine(), versions: versions(options.peers, options.postern) };
  if (!options.json) for (const part of Object.values(about)) for (const line of listed(part)) console.log(line);
  const world = await startWorld();
  const interrupted = () => {
    world.stop().finally(() => process.exit(130));
  };
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
  try {
    if (options.topic === 'gateway') {
      const result = await runGateway(world, options);
      const bars = barsOf(result.runs);
      if (options.json) console.log(JSON.stringify({ ...about, options, ...result, bars }, null, 1));
      else print(result);
      return bars.every(({ holds }) => holds) ? 0 : 1;
    }
    const result = await OTHERS[options.topic](world, options);
    if (options.json) console.log(JSON.stringify({ ...about, options, ...result, text: undefined }, null, 1));
    else printTopic(result);
    return result.bars.every(({ holds }) => holds) ? 0 : 1;
  } finally {
    await world.stop();
  }
}

const OTHERS = { memory: runMemory, large: runLarge, size: runSize };

function listed(part: Readonly<Record<string, string>>): string[] {
  return Object.entries(part).map(([name, value]) => `${name.padEnd(12)} ${value}`);
}

try {
  const options = readOptions(process.argv.slice(2));
  if (options === null) console.log(USAGE);
  else {
    const isThere = options.corpus === 'generated' || existsSync(corpusFolder(options.corpus));
    if (!isThere) console.error(`bench: no corpus ${options.corpus}: generated mail is sent`);
    process.exitCode = await main(isThere ? options : { ...options, corpus: 'generated' });
  }
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(`bench: ${error.message}\n\n${USAGE}`);
  process.exitCode = 2;
}

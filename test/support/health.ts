// Asks a running Postern how it is, over HTTP as a monitoring would.

import type { HealthReport } from '../../src/assembly/health.ts';
import type { RunningPostern } from './postern.ts';

/** The report, and the HTTP status it came with. */
export async function healthOf(postern: RunningPostern): Promise<HealthReport & { status: number }> {
  const answer = await fetch(`http://127.0.0.1:${postern.httpPort}/health`);
  return { ...((await answer.json()) as HealthReport), status: answer.status };
}

/** How one part is; undefined where it is not in the report. */
export async function partOf(
  postern: RunningPostern,
  part: string,
): Promise<HealthReport['parts'][number] | undefined> {
  return (await healthOf(postern)).parts.find(one => one.part === part);
}

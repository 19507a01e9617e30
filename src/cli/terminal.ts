// What commands write to standard output: lines, and JSON that is harmless for a terminal. Called by every command that
// prints; everything that comes from a message goes through safeLine or jsonLine first.

/** `postern trace … | head`: who reads has seen enough. Without this the closed pipe ends in a stack trace. */
export function endWhenNobodyReads(): void {
  process.stdout.on('error', error => {
    if ((error as NodeJS.ErrnoException).code === 'EPIPE') process.exit();
    throw error;
  });
}

export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** One JSON value on a line. */
export function printJson(value: unknown): void {
  print(jsonLine(value));
}

/** What JSON leaves as it is and a terminal obeys: C1 controls, line separators, marks that turn the reading order. */
const UNSEEN = /[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** The same value for a program, and harmless for a terminal. */
export function jsonLine(value: unknown): string {
  return JSON.stringify(value).replace(UNSEEN, char => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

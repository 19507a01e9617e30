// Colours for people at a terminal, and none for files and pipes. Called by every command that prints.

/** What of a stream is asked. */
export interface MaybeTerminal {
  readonly isTTY?: boolean;
}

/**
 * Colour only for a terminal that can show it. NO_COLOR (no-color.org) and --no-color switch it off, FORCE_COLOR
 * (force-color.org) switches it on where it goes into a pipe, such as `less -R`.
 */
export function wantsColour(stream: MaybeTerminal, environment = process.env): boolean {
  if ((environment['NO_COLOR'] ?? '') !== '') return false;
  const forced = environment['FORCE_COLOR'] ?? '';
  if (forced !== '') return forced !== '0' && forced !== 'false';
  return stream.isTTY === true && environment['TERM'] !== 'dumb';
}

/** For the option --no-color: it says more than what the environment says. */
export function withoutColour(): void {
  process.env['NO_COLOR'] = '1';
}

export const bold = (text: string) => styled(1, text);
export const red = (text: string) => styled(31, text);
export const green = (text: string) => styled(32, text);
export const yellow = (text: string) => styled(33, text);
export const dim = (text: string) => styled(2, text);

function styled(code: number, text: string): string {
  return wantsColour(process.stdout) ? `\u001b[${code}m${text}\u001b[0m` : text;
}

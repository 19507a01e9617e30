// Lists that end at a number of lines say so. Called by `quarantine list` and `trace`.

/** What a list prints at most, whatever is asked for: more is for `--json` and narrower questions, not for eyes. */
export const LIMIT_MAX = 1000;

/**
 * The first `limit` of what was asked for with a limit of one more. Where that one is there, standard error says so, so that
 * nobody takes the list for all there is.
 */
export function newest<T>(
  found: readonly T[],
  limit: number,
  warn = (text: string) => console.error(text),
): readonly T[] {
  if (found.length <= limit) return found;
  const next = limit < LIMIT_MAX ? `--limit ${LIMIT_MAX} shows more` : 'ask for less: --since, or an address';
  warn(`only the newest ${limit}; there are more: ${next}`);
  return found.slice(0, limit);
}

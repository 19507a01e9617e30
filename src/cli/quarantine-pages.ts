// The manual pages of `postern quarantine`. Called by quarantine.ts; nothing but words.

import type { Page } from './manual.ts';

const ITEM = `An item is one recipient's copy of one message. ID is its id, as "list" shows it.`;

export const QUARANTINE_PAGE: Page = {
  describes: `
${ITEM} Listing and showing read the records, also while the gateway is stopped; releasing and deleting ask the running
gateway.`,
  examples: [
    { run: 'postern quarantine list --recipient user@example.org --since 2d', does: 'what is held for a recipient' },
    { run: 'postern quarantine show 01k9x2m4q8a7b3c5d6-1', does: 'why one is held, and what it says' },
    { run: 'postern quarantine release 01k9x2m4q8a7b3c5d6-1', does: 'pass it on' },
  ],
};

export const LIST_PAGE: Page = {
  describes: `
One line a copy, the newest first. Where the terminal is narrow the subject stands below the line; in a pipe nothing is
cut, unless COLUMNS tells how wide it is. ${ITEM.replace(', as "list" shows it', ', for the other commands')}`,
  examples: [
    { run: 'postern quarantine list', does: 'the newest that are held' },
    { run: 'postern quarantine list --recipient user@example.org --since 2d', does: 'for one recipient, of two days' },
    { run: 'postern quarantine list --state released --json', does: 'what was released, for a program' },
  ],
};

export const SHOW_PAGE: Page = {
  describes: `
${ITEM} What the message says is made safe for the terminal: control characters and the like are written as \\x1b.
With --raw it is the message itself, as it came, without what Postern puts on top.`,
  examples: [
    { run: 'postern quarantine show 01k9x2m4q8a7b3c5d6-1', does: 'why it is held, its headers and its text' },
    { run: 'postern quarantine show 01k9x2m4q8a7b3c5d6-1 | more', does: 'page by page' },
    {
      run: 'postern quarantine show 01k9x2m4q8a7b3c5d6-1 --raw | postern check -',
      does: 'what the rules of today think of it',
    },
  ],
};

export const RELEASE_PAGE: Page = {
  describes: `
Sends each copy to the next hop that mail to its recipient takes today, as it came and without a second judgement, and
prints the next hop's own answer. A copy that the next hop does not take stays held.

${ITEM}`,
  examples: [
    { run: 'postern quarantine release 01k9x2m4q8a7b3c5d6-1', does: 'one copy' },
    {
      run: "postern quarantine list -q --sender '<>' | xargs -r postern quarantine release",
      does: 'all that the null sender sent',
    },
  ],
  exits: { 0: 'every copy is with its next hop', 1: 'one is not; each says why' },
};

export const DELETE_PAGE: Page = {
  describes: `
Removes each copy and, with the last copy of a message, its bytes. The record of it stays: "postern trace" tells who
deleted it. There is no way back.

${ITEM}`,
  examples: [{ run: 'postern quarantine delete 01k9x2m4q8a7b3c5d6-1', does: 'one copy' }],
  exits: { 0: 'every copy is deleted', 1: 'one is not; each says why' },
};

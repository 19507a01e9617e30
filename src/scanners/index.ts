// The scanners there are. src/assembly takes them from here and builds those that the settings ask for, each with the
// options of its own file. A new scanner is one line here (DESIGN section 4); nothing else belongs into this file.

export { createClamav } from './clamav/clamav.ts';
export { createDnsLists } from './dns-lists/dns-lists.ts';
export { createSenderAuth } from './sender-auth/sender-auth.ts';

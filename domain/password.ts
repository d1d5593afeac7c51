import { passwordBytesMax, passwordCharsMin } from './limits.ts';

/** The passwords at the top of every list of common ones. */
const commonPasswords = new Set(
  '12345678 123456789 1234567890 password password1 passw0rd qwertyui qwerty123 iloveyou 11111111 00000000 abcd1234 abc12345 admin123 letmein1 welcome1 sunshine football'.split(
    ' ',
  ),
);

/** Why a new password is not accepted, if it is not. @param address the account's e-mail in canonical form */
export function passwordFault(value: string, address: string): string | undefined {
  const plain = value.toLowerCase();
  const name = address.slice(0, address.indexOf('@'));
  if (Buffer.byteLength(value) > passwordBytesMax) return `Use at most ${passwordBytesMax} bytes.`;
  if ([...value].length < passwordCharsMin) return `Use at least ${passwordCharsMin} characters.`;
  if (commonPasswords.has(plain) || new Set(plain).size < 4) {
    return 'This password is too easy to guess.';
  }
  return plain === name || plain === address ? 'Do not use your e-mail address as the password.' : undefined;
}

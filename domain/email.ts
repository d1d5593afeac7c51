/**
 * The one spelling of an address: trimmed, lower-case ASCII. Anything outside printable ASCII is refused, so that no
 * look-alike (full-width, dotless ı, long ſ) creates a second account. Nothing is normalised before, because NFC turns
 * the Kelvin sign into a K. `+tag` is part of the name, as with most providers.
 * @returns undefined for an address that is not accepted
 */
export function canonicalEmail(text: string): string | undefined {
  const email = text.trim();
  if (email.length > 254 || !/^[\x21-\x7e]+$/.test(email)) return undefined;
  // The HTML standard's rule for `input type=email`, with at least one dot in the domain.
  const at = email.lastIndexOf('@');
  const local = email.slice(0, at);
  const domain = email.slice(at + 1);
  if (at < 1 || local.length > 64 || !/^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+$/.test(local)) return undefined;
  const label = /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/;
  const labels = domain.split('.');
  if (labels.length < 2 || !labels.every((part) => label.test(part))) return undefined;
  return email.toLowerCase();
}

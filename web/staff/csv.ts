/** CSV as RFC 4180 has it, and safe to open in a spreadsheet. */

export type CsvValue = string | number | boolean | Date | null | undefined;

/** So that a spreadsheet reads UTF-8. */
export const byteOrderMark = '\ufeff';

/**
 * One line. A text that a spreadsheet would take for a formula begins with an apostrophe instead (OWASP, "CSV
 * Injection": = + - @, tab and carriage return, in their full-width forms too).
 */
export function csvLine(values: readonly CsvValue[]): string {
  return `${values.map(csvCell).join(',')}\r\n`;
}

function csvCell(value: CsvValue): string {
  if (value === null || value === undefined) return '';
  if (value instanceof Date) return value.toISOString();
  if (typeof value !== 'string') return String(value);
  const text = /^[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/.test(value) ? `'${value}` : value;
  return /[",\r\n;\t]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

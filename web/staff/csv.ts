/** CSV according to RFC 4180, safe to open in a spreadsheet. */

export type CsvValue = string | number | boolean | Date | null | undefined;

/** Makes spreadsheets read the file as UTF-8. */
export const byteOrderMark = '\ufeff';

/**
 * One line. Text that a spreadsheet would take for a formula gets an apostrophe in front (OWASP, "CSV Injection":
 * = + - @, tab and carriage return, also in their full-width forms).
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

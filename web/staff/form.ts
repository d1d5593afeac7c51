import type { Context } from 'koa';
import { Problem } from '../../domain/problems.ts';
import { readBodyBytes } from '../../http/body-bytes.ts';

const formBytesMax = 64 * 1024;
const fieldsMax = 100;

/** The fields of a form as text; of a repeated field the last value. */
export type Form = Readonly<Record<string, string>>;

/**
 * Reads a form of type `application/x-www-form-urlencoded`, the only type that the panel uses.
 * @throws Problem cross_site for any other type (another site could send text/plain), payload_too_large,
 *   invalid_request
 */
export async function readForm(ctx: Context): Promise<Form> {
  if (ctx.request.type !== 'application/x-www-form-urlencoded') throw new Problem('cross_site');
  const text = (await readBodyBytes(ctx, formBytesMax)).toString('utf8');
  const fields = [...new URLSearchParams(text)];
  if (fields.length > fieldsMax) {
    throw new Problem('invalid_request', { detail: `The form has more than ${fieldsMax} fields.` });
  }
  return Object.fromEntries(fields.map(([name, value]) => [name, value.replaceAll('\r\n', '\n')]));
}

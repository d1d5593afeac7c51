import type { Context } from 'koa';
import { Problem } from '../domain/problems.ts';
import { payloadTooLarge } from './problems.ts';

/** The bytes of a JSON body as they came. @throws Problem payload_too_large, unsupported_media_type */
export async function readRaw(ctx: Context, bytesMax: number): Promise<Buffer> {
  if (ctx.request.type.toLowerCase() !== 'application/json' || ctx.get('Content-Encoding') !== '') {
    throw new Problem('unsupported_media_type');
  }
  return readBytes(ctx, bytesMax);
}

/** The bytes of any body. @throws Problem payload_too_large */
export async function readBytes(ctx: Context, bytesMax: number): Promise<Buffer> {
  if ((ctx.request.length ?? 0) > bytesMax) throw payloadTooLarge(bytesMax);
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of ctx.req as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    // What is left of it is not read, so the connection cannot carry another request.
    if (bytes > bytesMax) throw payloadTooLarge(bytesMax, { Connection: 'close' });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

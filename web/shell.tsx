import type { ComponentChildren, VNode } from 'preact';
import { renderToString } from 'preact-render-to-string';

interface ShellProps {
  title: string;
  /** The path of the page's own files; `icon.svg` and `tokens.css` are among them. */
  assets: string;
  /** The name of its stylesheet. */
  stylesheet: string;
  /** More elements for the head. */
  head?: ComponentChildren;
  /** The `body` element. */
  children: VNode;
}

/** The HTML document around every page. */
export function Shell({ title, assets, stylesheet, head, children }: ShellProps) {
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>{title}</title>
        <link rel="icon" href={`${assets}/icon.svg`} type="image/svg+xml" />
        <link rel="stylesheet" href={`${assets}/tokens.css`} />
        <link rel="stylesheet" href={`${assets}/${stylesheet}`} />
        {head}
      </head>
      {children}
    </html>
  );
}

/** A document as it is sent. */
export const printDocument = (page: VNode): string => `<!doctype html>\n${renderToString(page)}`;

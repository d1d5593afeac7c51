import type { ComponentChildren } from 'preact';
import { noticeOf, type Visit } from './visit.ts';

const sections = [
  { path: '/admin', title: 'Overview' },
  { path: '/admin/bookings', title: 'Bookings' },
  { path: '/admin/day', title: 'Day' },
  { path: '/admin/rooms', title: 'Rooms' },
  { path: '/admin/payments', title: 'Payments' },
  { path: '/admin/users', title: 'Users' },
  { path: '/admin/flags', title: 'Flags' },
] as const;
export type Section = (typeof sections)[number]['title'];

/** The document around every page: nothing but our own stylesheet is loaded. */
export function Document({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="robots" content="noindex" />
        <title>{`${title} · Staff panel`}</title>
        <link rel="icon" href="/admin/icon.svg" type="image/svg+xml" />
        <link rel="stylesheet" href="/admin/panel.css" />
      </head>
      <body>{children}</body>
    </html>
  );
}

/** A page of somebody who is signed in. */
export function Page(props: {
  visit: Visit;
  section: Section;
  title: string;
  /** Beside the heading: links and buttons. */
  actions?: ComponentChildren;
  children: ComponentChildren;
}) {
  const { visit, section, title, actions, children } = props;
  const notice = noticeOf(visit.ctx);
  return (
    <Document title={title}>
      <a class="skip" href="#main">
        Skip to the content
      </a>
      <header class="top">
        <a class="brand" href="/admin">
          <img src="/admin/icon.svg" alt="" width="28" height="28" />
          <span>Staff panel</span>
        </a>
        <nav aria-label="Sections">
          <ul>
            {sections.map((one) => (
              <li key={one.path}>
                <a href={one.path} aria-current={one.title === section ? 'page' : undefined}>
                  {one.title}
                </a>
              </li>
            ))}
          </ul>
        </nav>
        <form class="who" method="post" action="/admin/sign-out">
          <input type="hidden" name="csrf" value={visit.csrf} />
          <span class="me">{visit.staff.email}</span>
          <button class="quiet" type="submit">
            Sign out
          </button>
        </form>
      </header>
      <main id="main" tabIndex={-1}>
        <div class="heading">
          <h1>{title}</h1>
          {actions && <div class="actions">{actions}</div>}
        </div>
        {notice && (
          <p class="notice good" role="status">
            {notice}
          </p>
        )}
        {children}
      </main>
    </Document>
  );
}

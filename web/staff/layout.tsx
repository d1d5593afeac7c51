import type { ComponentChildren } from 'preact';
import { Shell } from '../shell.tsx';
import { noticeOf, type PanelRequest } from './panel-request.ts';

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

/** A document of the panel. */
export function Document({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <Shell
      title={`${title} · Staff panel`}
      assets="/admin"
      stylesheet="panel.css"
      head={<meta name="robots" content="noindex" />}
    >
      <body>{children}</body>
    </Shell>
  );
}

/** A page for a signed-in member of staff. */
export function Page(props: {
  request: PanelRequest;
  section: Section;
  title: string;
  /** Links and buttons beside the heading. */
  actions?: ComponentChildren;
  children: ComponentChildren;
}) {
  const { request, section, title, actions, children } = props;
  const notice = noticeOf(request.ctx);
  return (
    <Document title={title}>
      <a class="skip" href="#main">
        Skip to content
      </a>
      <header class="top">
        <a class="brand" href="/admin">
          <img src="/admin/icon.svg" alt="" width="28" height="28" />
          <span>Staff panel</span>
        </a>
        <nav aria-label="Sections">
          <ul>
            {sections.map(({ path, title: name }) => (
              <li key={path}>
                <a href={path} aria-current={name === section ? 'page' : undefined}>
                  {name}
                </a>
              </li>
            ))}
          </ul>
        </nav>
        <form class="who" method="post" action="/admin/sign-out">
          <input type="hidden" name="csrf" value={request.csrf} />
          <span class="me">{request.staff.email}</span>
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

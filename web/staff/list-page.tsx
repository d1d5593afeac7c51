import { Readable } from 'node:stream';
import type { Context } from 'koa';
import type { ComponentChildren } from 'preact';
import type { Db } from '../../db/knex.ts';
import {
  countRows,
  type Listed,
  type ListRequest,
  type ListSource,
  readAll,
  readPage,
} from './queries/list.ts';
import type { WebDeps } from '../deps.ts';
import { byteOrderMark, csvLine, type CsvValue } from './csv.ts';
import { Page, type Section } from './layout.tsx';
import { type Choice, cursorOf, type Filter, listAddress, readListQuery } from './list-query.ts';
import { type Column, Table } from './parts.tsx';
import { type PanelRoute, respond, type PanelRequest } from './panel-request.ts';

export interface ListColumn<Row> extends Column<Row> {
  /** The columns that the exported file has for this one: name → value. */
  csv: Readonly<Record<string, (row: Row) => CsvValue>>;
  /** The sort that a click on its title selects. */
  sort?: string;
}

/** A list as data; its page and its export are made from it. */
export interface ListView<Row> {
  section: Section;
  path: string;
  source: ListSource<Row>;
  searchHint: string;
  filters: readonly Filter[] | ((db: Db) => Promise<readonly Filter[]>);
  sort: { key: string; descending: boolean };
  columns: readonly ListColumn<Row>[];
  actions?: ComponentChildren;
}

const pageRows = 50;
type Query = Omit<ListRequest, 'limit'>;

/** The page of a list and its export, `<path>.csv`. */
export function listRoutes<Row extends { id: number }>({ db }: WebDeps, view: ListView<Row>): PanelRoute[] {
  const readQuery = async (ctx: Context) => {
    const filters = typeof view.filters === 'function' ? await view.filters(db) : view.filters;
    const query = readListQuery(ctx, { sorts: view.source.sorts, filters, sort: view.sort });
    return { filters, query };
  };
  return [
    {
      method: 'GET',
      path: view.path,
      async serve(request) {
        const { filters, query } = await readQuery(request.ctx);
        const [page, total] = await Promise.all([
          readPage(db, view.source, { ...query, limit: pageRows }),
          countRows(db, view.source, query),
        ]);
        respond(
          request.ctx,
          200,
          <List view={view} request={request} {...{ filters, query, page, total }} />,
        );
      },
    },
    {
      method: 'GET',
      path: `${view.path}.csv`,
      async serve({ ctx }) {
        const { query } = await readQuery(ctx);
        const name = `${view.path.slice(1)}-${new Date().toISOString().slice(0, 10)}.csv`;
        ctx.set('Content-Disposition', `attachment; filename="${name}"`);
        ctx.type = 'text/csv; charset=utf-8';
        ctx.body = Readable.from(csvOf(db, view, query));
      },
    },
  ];
}

async function* csvOf<Row>(db: Db, view: ListView<Row>, query: Query): AsyncGenerator<string> {
  const cells = view.columns.flatMap((column) => Object.entries(column.csv));
  yield byteOrderMark + csvLine(cells.map(([name]) => name));
  for await (const rows of readAll(db, view.source, query)) {
    yield rows.map((row) => csvLine(cells.map(([, value]) => value(row)))).join('');
  }
}

interface ListProps<Row> {
  view: ListView<Row>;
  request: PanelRequest;
  filters: readonly Filter[];
  query: Query;
  page: { rows: Listed<Row>[]; more: boolean };
  total: { count: number; exact: boolean };
}

function List<Row extends { id: number }>({ view, request, filters, query, page, total }: ListProps<Row>) {
  const path = `/admin${view.path}`;
  const { count, exact } = total;
  const number = `${exact ? '' : 'more than '}${count.toLocaleString('en')}`;
  const actions = (
    <>
      <a class="button quiet" href={listAddress(`${path}.csv`, query, {})} download>
        Export CSV
      </a>
      {view.actions}
    </>
  );
  return (
    <Page request={request} section={view.section} title={view.section} actions={actions}>
      <Search view={view} query={query} filters={filters} />
      <p class="count" role="status">
        {number} {count === 1 ? 'row' : 'rows'}
      </p>
      {page.rows.length === 0 ? (
        <p class="card empty">No results.</p>
      ) : (
        <Table
          caption={`${view.section}, ${number} rows`}
          columns={view.columns}
          rows={page.rows}
          sorted={sortedColumn(view, query)}
          head={(column) => <SortLink column={column as ListColumn<Row>} path={path} query={query} />}
        />
      )}
      <Paging path={path} query={query} page={page} />
    </Page>
  );
}

function sortedColumn<Row>(view: ListView<Row>, query: Query) {
  const key = view.columns.find((column) => column.sort === query.sort)?.key ?? '';
  return { key, descending: query.descending };
}

function SortLink<Row>({ column, path, query }: { column: ListColumn<Row>; path: string; query: Query }) {
  if (!column.sort) return <>{column.title}</>;
  const active = query.sort === column.sort;
  const order = active && !query.descending ? 'desc' : 'asc';
  return (
    <a class="sort" href={listAddress(path, query, { sort: column.sort, order })}>
      {column.title}
      <span aria-hidden="true">{active ? (query.descending ? ' ↓' : ' ↑') : ' ↕'}</span>
    </a>
  );
}

function Search<Row>({
  view,
  query,
  filters,
}: {
  view: ListView<Row>;
  query: Query;
  filters: readonly Filter[];
}) {
  const shown = filters.filter((filter) => filter.kind !== 'id');
  const carried = filters.filter((filter) => filter.kind === 'id' && query.filters[filter.name]);
  return (
    <form class="search" method="get" action={`/admin${view.path}`} role="search">
      <div class="field grow">
        <label for="q">Search</label>
        <input
          id="q"
          name="q"
          type="search"
          value={query.search}
          maxLength={254}
          placeholder={view.searchHint}
        />
      </div>
      {shown.map((filter) => (
        <div class="field" key={filter.name}>
          <label for={filter.name}>{filter.label}</label>
          {filter.kind === 'choice' ? (
            <Select name={filter.name} choices={filter.choices} value={query.filters[filter.name] ?? ''} />
          ) : (
            <Entry filter={filter} value={query.filters[filter.name] ?? ''} />
          )}
        </div>
      ))}
      {carried.map((filter) => (
        <p class="carried" key={filter.name}>
          <input type="hidden" name={filter.name} value={query.filters[filter.name] ?? ''} />
          {filter.label} {query.filters[filter.name]}
        </p>
      ))}
      <input type="hidden" name="sort" value={query.sort} />
      <input type="hidden" name="order" value={query.descending ? 'desc' : 'asc'} />
      <div class="field go">
        <button type="submit">Apply</button>
        <a class="button quiet" href={`/admin${view.path}`}>
          Clear
        </a>
      </div>
    </form>
  );
}

function Entry({ filter: { kind, name }, value }: { filter: Filter; value: string }) {
  if (kind === 'date') return <input id={name} name={name} type="date" value={value} />;
  return <input id={name} name={name} type="text" maxLength={254} value={value} />;
}

function Select({ name, choices, value }: { name: string; choices: readonly Choice[]; value: string }) {
  return (
    <select id={name} name={name}>
      <option value="">Any</option>
      {choices.map((choice) => (
        <option key={choice.value} value={choice.value} selected={choice.value === value}>
          {choice.label}
        </option>
      ))}
    </select>
  );
}

function Paging<Row>({ path, query, page }: { path: string; query: Query; page: ListProps<Row>['page'] }) {
  const first = page.rows[0];
  const last = page.rows.at(-1);
  const side = query.position?.side;
  const earlier = side === 'before' ? page.more : side === 'after';
  const later = side === 'before' || page.more;
  return (
    <nav class="paging" aria-label="Pages">
      {side && <a href={listAddress(path, query, {})}>First page</a>}
      {earlier && first && <a href={listAddress(path, query, { before: cursorOf(first) })}>← Previous</a>}
      {later && last && <a href={listAddress(path, query, { after: cursorOf(last) })}>Next →</a>}
    </nav>
  );
}

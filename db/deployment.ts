import { type Db, rows } from './knex.ts';

/** A setting whose value has changed since the last start. */
export interface SettingChange {
  name: string;
  was: string;
  since: Date;
}

/**
 * Stores the value of a setting.
 * @returns the change, to the first process that notices it; undefined when there is none
 */
export async function rememberSetting(
  db: Db,
  name: string,
  value: string,
): Promise<SettingChange | undefined> {
  const [change] = await rows<SettingChange>(
    db,
    `with before as (select value from deployment_settings where name = ?),
          changed as (
            insert into deployment_settings (name, value) values (?, ?)
            on conflict (name) do update set value = excluded.value, since = clock_timestamp()
             where deployment_settings.value <> excluded.value
            returning name, since
          )
     select changed.name, before.value as was, changed.since from changed, before`,
    [name, name, value],
  );
  return change;
}

/** Whether Stripe's mode or account has changed and the flag about it is still open. */
export async function isStripeChangeOpen(db: Db): Promise<boolean> {
  const [row] = await rows<{ open: boolean }>(
    db,
    `select exists (
       select from flags where kind = 'setting_changed' and subject like 'STRIPE%' and resolved_at is null
     ) as open`,
  );
  return row?.open === true;
}

/** Records that a worker serves this task queue. */
export async function rememberTaskQueue(db: Db, namespace: string, name: string): Promise<void> {
  await rows(db, 'insert into task_queues (namespace, name) values (?, ?) on conflict do nothing', [
    namespace,
    name,
  ]);
}

/**
 * The other task queues that open workflows may still be on: those of bookings made before the setting was what it is
 * now, or within an hour after, while some processes still had the old one; and those of refunds.
 */
export async function findOlderTaskQueues(db: Db, namespace: string, current: string): Promise<string[]> {
  const found = await rows<{ name: string }>(
    db,
    `select q.name from task_queues q
       join deployment_settings s on s.name = 'TEMPORAL_TASK_QUEUE'
      where q.namespace = ? and q.name <> ?
        and (exists (select from bookings b
                      where b.status in ('pending', 'confirmed') and b.created_at < s.since + interval '1 hour')
             or exists (select from refunds f where f.status = 'pending'))
      order by q.name`,
    [namespace, current],
  );
  return found.map((row) => row.name);
}

# Every image that is built here; docker-compose.yml uses all but the emulator's. There is no build step for the
# TypeScript (docs/decisions/0003); only the workflows are bundled ahead, so that a worker starts in a second less.
# Needs BuildKit. The modes of the files are set here: those of a checkout under umask 077 would shut out the users
# that the processes run as.

# Temporal's native part needs glibc: an alpine (musl) image does not work.
FROM node:24.21.0-bookworm-slim AS base
WORKDIR /app

FROM base AS build
COPY package.json package-lock.json .npmrc ./
# npm runs no install script that `allowScripts` in package.json does not name; none is needed. Of Temporal's native
# part, one for each platform, the image needs its own only.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund \
  && find node_modules/@temporalio/core-bridge/releases -mindepth 1 -maxdepth 1 \
    ! -name "$(uname -m)-unknown-linux-gnu" -exec rm -r {} +
COPY tsconfig.json config.ts log.ts process-end.ts program-arguments.ts ./
COPY config config
COPY domain domain
COPY db db
COPY core core
COPY workflows workflows
COPY activities activities
COPY worker worker
COPY http http
COPY web web
COPY api api
COPY commands commands
RUN node --import tsx worker/bundle.ts build/workflows.js && chmod -R a+rX .

FROM base AS runtime
# Temporal's client trusts the system's certificates, which the slim image does not have.
RUN apt-get update \
  && apt-get install -y --no-install-recommends ca-certificates \
  && rm -rf /var/lib/apt/lists/*
# Owned by root: the process can read its code, not change it.
COPY --from=build /app ./
ENV HOST=0.0.0.0 PORT=8000 WORKFLOW_BUNDLE=/app/build/workflows.js
USER node
STOPSIGNAL SIGTERM

# Only for trying out (docker-compose.emulator.yml): the real service has no emulator in its image.
FROM base AS stripe-emulator
COPY package.json package-lock.json .npmrc ./
COPY stripe-emulator stripe-emulator
RUN npm ci --workspace stripe-emulator --omit=dev --ignore-scripts --no-audit --no-fund \
  && chmod -R a+rX . \
  && install -d -o node -g node /data
USER node
STOPSIGNAL SIGTERM
ENV DATA_DIR=/data DEV_STRIPE_HOST=0.0.0.0 DEV_STRIPE_PORT=14242
EXPOSE 14242
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.DEV_STRIPE_PORT}/_emulator/health`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "--import", "tsx", "stripe-emulator/src/main.ts"]

# Postgres that makes the roles and databases when its volume is empty.
FROM postgres:18.6-alpine3.24 AS postgres
COPY --chmod=755 ops/postgres/init.sh /docker-entrypoint-initdb.d/

FROM temporalio/server:1.32.1 AS temporal
COPY --chmod=644 ops/temporal/dynamic-config.yaml /etc/temporal/dynamic-config.yaml
ENV DYNAMIC_CONFIG_FILE_PATH=/etc/temporal/dynamic-config.yaml

# Temporal's tools with the scripts that make its schema and its namespace.
FROM temporalio/admin-tools:1.32.1 AS temporal-tools
COPY --chmod=755 ops/temporal/set-up-schema.sh ops/temporal/set-up-namespace.sh /usr/local/bin/

# The last stage is what `docker build .` makes.
FROM runtime AS service
EXPOSE 8000
# Alive, not ready: a database that is away must not get the process restarted.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/livez`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "--import", "tsx", "api/main.ts"]

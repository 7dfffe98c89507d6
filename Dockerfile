# Two images from one file, for `docker compose up --build` and for people's own services:
#
#   docker build --target sidecar -t ferry-sidecar .    only the sidecar: stands beside any gRPC service, or is a gateway
#   docker build --target quoter  -t ferry-quoter .     the quoter's services, and the command `ferry`
#
# Both run as the user `node`, write nothing (start them with --read-only), and take all settings from the environment:
# docs/reference/settings.md. Node runs the TypeScript as it is; there is no build step.

FROM node:24.21.0-bookworm-slim AS packages
WORKDIR /ferry
COPY package.json package-lock.json ./
# The optional packages are Node itself, which the image has.
RUN npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund

FROM node:24.21.0-bookworm-slim AS sidecar
WORKDIR /ferry
ENV NODE_ENV=production NODE_COMPILE_CACHE=/ferry/.compiled FERRY_ADMIN=127.0.0.1:15000
COPY --from=packages /ferry ./
COPY common common
COPY gen gen
COPY sidecar sidecar
COPY scripts/warm-up.sh /tmp/
# So that compiled code lies in the image: half the time to start, and less memory.
RUN mkdir mesh-config && FERRY_ROLE=gateway FERRY_SERVICE=warm sh /tmp/warm-up.sh sidecar/main.ts
USER node
# Ready: the application is healthy and registered; a gateway has its routes. The application starts after its sidecar:
# on a busy machine that takes longer than three checks, and `up --wait` gives up on who is unhealthy.
HEALTHCHECK --interval=5s --timeout=3s --retries=3 --start-period=60s CMD ["node", "-e", "require('http').get('http://' + process.env.FERRY_ADMIN + '/ready', (reply) => process.exit(reply.statusCode === 200 ? 0 : 1)).on('error', () => process.exit(1))"]
ENTRYPOINT ["node", "sidecar/main.ts"]

FROM node:24.21.0-bookworm-slim AS quoter
WORKDIR /ferry
ENV NODE_ENV=production NODE_COMPILE_CACHE=/ferry/.compiled
COPY --from=packages /ferry ./
COPY common common
COPY gen gen
COPY mesh-config mesh-config
COPY sidecar sidecar
COPY cli cli
COPY services services
COPY scripts/warm-up.sh /tmp/
RUN export FERRY_VERSION=v1 \
    && for service in quote-command quote-query quote-projector; do sh /tmp/warm-up.sh "services/$service/main.ts"; done
# A volume mounted here belongs to the user that makes the secrets.
RUN install -d -o node -m 700 /secrets
USER node
CMD ["node", "services/quote-query/main.ts"]

// A port that accepts sockets within its limits, on all connections and on those of one client address, and hands each
// on. Used by listen.ts, which serves them in this process, and by the acceptor of several workers.
//
// Guarantees: a socket above a limit is closed at once and told of with one reason; every socket has a listener for
// errors; a place is free again when `leave` was called.

import { createServer, type Server, type Socket } from "node:net";
import { ForcedClose, type Limits } from "../http2/limits.ts";
import { ClientAddresses } from "./client-addresses.ts";

export interface AcceptOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly limits: Pick<Limits, "maxConnections" | "maxConnectionsPerAddress">;
  readonly onForcedClose?: (reason: string, detail: string) => void;
  /** Nothing is read of a socket: it goes to another process. */
  readonly pauses?: boolean;
  /** `leave` must follow, once, when the socket is closed. */
  onSocket(socket: Socket, leave: () => void): void;
}

export interface AcceptingPort {
  readonly host: string;
  readonly port: number;
  /** Stops accepting; the port is free at once. Idempotent. */
  close(): void;
}

/** Rejects with the operating system's error, as EADDRINUSE, untouched. */
export function acceptSockets(options: AcceptOptions): Promise<AcceptingPort> {
  const { host, port, limits, onForcedClose, pauses = false } = options;
  const addresses = new ClientAddresses(limits.maxConnectionsPerAddress);
  let open = 0;
  const server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: pauses }, (socket) => {
    const address = socket.remoteAddress ?? "";
    if (open >= limits.maxConnections) {
      refuse(socket);
      onForcedClose?.(ForcedClose.CONNECTIONS, `${limits.maxConnections} connections already`);
    } else if (!addresses.enter(address)) {
      refuse(socket);
      const detail = `${address}: ${limits.maxConnectionsPerAddress} connections already`;
      onForcedClose?.(ForcedClose.CONNECTIONS_PER_ADDRESS, detail);
    } else {
      open++;
      options.onSocket(socket, () => {
        open--;
        addresses.leave(address);
      });
    }
  });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port, backlog: 1024 }, () => {
      server.off("error", reject);
      // Errors of accept (as EMFILE) concern one connection, which is dropped.
      server.on("error", () => {});
      resolve({ ...boundTo(server), close: () => void server.close() });
    });
  });
}

function refuse(socket: Socket): void {
  socket.on("error", () => {});
  socket.destroy();
}

function boundTo(server: Server): { readonly host: string; readonly port: number } {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error(`listening at ${address}, not at a port`);
  return { host: address.address, port: address.port };
}

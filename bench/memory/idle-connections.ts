// HTTP/2 connections that do nothing but stay: preface and SETTINGS are exchanged, no stream is opened. Called by
// bench/memory.ts, which asks what they cost a proxy.

import { connect, type Socket } from "node:net";
import { preface } from "../wire/frame-connection.ts";

const settings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
const settingsAck = Buffer.from([0, 0, 0, 4, 1, 0, 0, 0, 0]);
const atOnce = 100;

/** Opens `count`, a hundred at a time; rejects when one is refused or closed meanwhile. */
export async function openIdle(port: number, count: number): Promise<{ close(): void }> {
  const sockets: Socket[] = [];
  const close = () => {
    for (const socket of sockets) socket.destroy();
  };
  try {
    while (sockets.length < count) {
      const batch = Array.from({ length: Math.min(atOnce, count - sockets.length) }, () => connect(port, "127.0.0.1"));
      sockets.push(...batch);
      await Promise.all(batch.map(greet));
    }
  } catch (error) {
    close();
    throw error;
  }
  return { close };
}

/** Resolves when the peer has said its SETTINGS and been told that we have seen them. */
function greet(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.on("error", reject);
    socket.on("close", () => reject(new Error("an idle connection was closed")));
    socket.write(Buffer.concat([preface, settings]));
    socket.once("data", () => {
      socket.write(settingsAck, () => resolve());
      socket.resume();
    });
  });
}

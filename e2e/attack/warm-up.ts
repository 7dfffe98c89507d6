// Traffic before the first reading of memory: bulk responses, some of them not taken for a while, and many requests at
// once, all of it fair. What it makes the process grow (compiled code, the allocator's arenas) stays as long as the
// process lives, whatever its clients do, and is no attack's doing.

import { callBlock, data, headers, Setting, windowUpdate } from "./octets.ts";
import { RawClient } from "./raw-client.ts";

const bulkBytes = 20_000_000;

export async function warmUp(port: number): Promise<void> {
  const options = { settings: [[Setting.INITIAL_WINDOW_SIZE, 2 ** 31 - 1]] as const };
  const clients = await Promise.all(Array.from({ length: 4 }, () => RawClient.open(port, options)));
  for (const client of clients) {
    client.send(windowUpdate(0, 2 ** 31 - 1 - 65_535));
    for (let id = 1; id < 8; id += 2) client.send(headers(id, callBlock(`/bytes/${bulkBytes}`), true));
    client.socket.pause();
  }
  await new Promise((resolve) => setTimeout(resolve, 500));
  for (const client of clients) client.socket.resume();
  await Promise.all(clients.map((client) => client.until(() => client.ended.size === 4, 20_000)));
  for (const client of clients) {
    for (let id = 9; id < 2000; id += 2) client.send(headers(id, callBlock("/echo"), false), data(id, "warm", true));
    await client.until(() => client.ended.size >= 900, 10_000);
    client.destroy();
  }
}

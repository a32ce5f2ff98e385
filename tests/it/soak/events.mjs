// Applications with the official JavaScript client, one for each file that an agent renders: node events.mjs FOLDER
//
// An application posts an event twice a second. It looks at its file once a second, and a key that is new there is
// the client's from the next request on. What the client makes of a refusal does not matter: the server counts.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { NodeExceptionlessClient } from "@exceptionless/node";

async function application(file) {
  const secret = async () => JSON.parse(await readFile(file, "utf8"));
  const client = new NodeExceptionlessClient();
  const { api_key, server_url } = await secret();
  await client.startup((config) => {
    config.apiKey = api_key;
    config.serverUrl = server_url;
  });
  for (let number = 0; ; number++) {
    if (number % 2 === 0) client.config.apiKey = (await secret()).api_key;
    // The server's settings exclude what is less than a warning.
    await client.submitLog("soak", `event ${number}`, "warn");
    await client.processQueue();
    if (number % 20 === 0) await client.submitSessionHeartbeat("soak");
    await sleep(500);
  }
}

const folder = process.argv[2];
const files = await readdir(folder);
await Promise.all(files.map((file) => application(join(folder, file))));

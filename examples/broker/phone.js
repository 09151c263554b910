/**
 * The app on a phone: it knows its user and the broker, no key. It asks for a token when it has none, and again when
 * the account answers 401 because the token's time is over.
 */
import { pathToFileURL } from "node:url";
import { CosmosClient } from "@azure/cosmos";

/**
 * @typedef {object} PhoneOptions
 * @property {string} broker URL of the broker
 * @property {string} session what proves to the broker who is signed in
 * @property {import("node:https").Agent} [agent] for the connection to the account
 */

/** @param {PhoneOptions} options */
export function openPhone({ broker, session, agent }) {
  let granted;
  let tokens = 0;

  async function sign() {
    const response = await fetch(`${broker}/token`, {
      method: "POST",
      headers: { authorization: `Bearer ${session}` },
    });
    if (!response.ok) throw new Error(`the broker answered ${response.status}`);
    granted = await response.json();
    tokens++;
  }

  async function container() {
    if (granted === undefined) await sign();
    const { endpoint, database, container: name } = granted;
    const client = new CosmosClient({
      endpoint,
      // Asked for each request, so a renewed token is used at once.
      tokenProvider: async () => granted.token,
      ...(agent === undefined ? {} : { agent }),
    });
    return client.database(database).container(name);
  }

  return {
    /** How many tokens the broker has given out. */
    tokens: () => tokens,
    /** Runs `work` on the container; once more with a new token when this one has expired. */
    async run(work) {
      const notes = await container();
      try {
        return await work(notes, granted.user);
      } catch (error) {
        if (error.code !== 401) throw error;
        await sign();
        return work(notes, granted.user);
      }
    },
  };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const [broker = "http://127.0.0.1:8000", session = "ada"] = process.argv.slice(2);
  const phone = openPhone({ broker, session });
  await phone.run((notes, user) => notes.items.upsert({ id: "hello", user, text: "written from the phone" }));
  const { resources } = await phone.run((notes, user) =>
    notes.items.query("SELECT c.id, c.text FROM c", { partitionKey: user }).fetchAll(),
  );
  console.log(resources);
}

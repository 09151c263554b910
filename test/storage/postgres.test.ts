import { after, before, describe } from "node:test";
import { openPostgres } from "../../src/storage/postgres.ts";
import { describeStoreLaws } from "./laws.ts";
import { type PostgresServer, startPostgres, whyNoPostgres } from "./postgres-server.ts";

describe(whyNoPostgres === undefined ? "postgres" : `postgres (skipped: ${whyNoPostgres})`, {
  skip: whyNoPostgres !== undefined,
}, () => {
  let server: PostgresServer;
  let schemas = 0;
  before(async () => {
    server = await startPostgres();
  });
  after(() => server.destroy());

  describeStoreLaws("postgres", async () => {
    const url = server.url(`laws ${schemas++}`);
    let open = await openPostgres(url);
    return {
      store: open,
      async reopen() {
        await open.close();
        open = await openPostgres(url);
        return open;
      },
      destroy: () => open.close(),
    };
  });
});

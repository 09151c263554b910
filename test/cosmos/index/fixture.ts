/**
 * One construction site for tests of the index: an engine whose containers are indexed from the first item on, in
 * segments small enough to be many, and queries run through the operation of the data plane beside a plain scan.
 */
import { type ManualClock, manualClock, seededEntropy } from "../../../src/clock.ts";
import { cosmosLock, createCosmosControl } from "../../../src/cosmos/control.ts";
import { commitTo } from "../../../src/cosmos/engine/commit.ts";
import { isExpired, type StoredItem } from "../../../src/cosmos/engine/documents.ts";
import { type Engine, openEngine } from "../../../src/cosmos/engine/engine.ts";
import { applyWrite, type ItemWrite } from "../../../src/cosmos/engine/item-writes.ts";
import { extractPartitionKey, placePartition } from "../../../src/cosmos/engine/partition-key.ts";
import { scanContainer } from "../../../src/cosmos/engine/range-scan.ts";
import { type ContainerRecord, seconds } from "../../../src/cosmos/engine/records.ts";
import type { IndexSizes } from "../../../src/cosmos/index/indexes.ts";
import type { OperationContext, OperationResult } from "../../../src/cosmos/operations/operation.ts";
import { queryItems } from "../../../src/cosmos/operations/query-items.ts";
import { prepareQuery, type QueryParameter } from "../../../src/cosmos/query/prepare.ts";
import type { Value } from "../../../src/cosmos/query/values.ts";
import { openMemory } from "../../../src/storage/memory.ts";
import type { Store } from "../../../src/storage/port.ts";
import { runAll } from "../query/rows.ts";

export const account = "acct";
const database = "db";

export interface IndexFixture {
  readonly store: Store;
  readonly engine: Engine;
  readonly clock: ManualClock;
  /** Creates a container, or replaces its settings. */
  putContainer(settings?: Readonly<Record<string, unknown>>): Promise<void>;
  deleteContainer(): Promise<void>;
  container(): ContainerRecord;
  write(write: ItemWrite, partition: Readonly<Record<string, unknown>>): Promise<void>;
  put(body: Readonly<Record<string, unknown>>): Promise<void>;
  remove(id: string, partition: Readonly<Record<string, unknown>>): Promise<void>;
  /** One page. */
  page(text: string, options?: QueryOptions): Promise<QueryPage>;
  /** All rows, page by page. */
  rows(text: string, options?: QueryOptions): Promise<Value[]>;
  /** All rows of a plain scan over the living items that `keep` keeps. */
  scanned(text: string, options?: ScanOptions): Promise<Value[]>;
  /** Living items in the order of creation. */
  items(keep?: (item: StoredItem) => boolean): Promise<Value[]>;
}

export interface ScanOptions {
  readonly parameters?: readonly QueryParameter[];
  readonly keep?: (item: StoredItem) => boolean;
}

export interface QueryOptions {
  readonly parameters?: readonly QueryParameter[];
  readonly pageSize?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly continuation?: string | undefined;
}

export interface QueryPage {
  readonly rows: Value[];
  readonly continuation: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  /** Items that the store was asked for. */
  readonly loaded: number;
}

export interface FixtureOptions {
  readonly store?: Store;
  readonly sizes?: IndexSizes;
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly ranges?: number;
  /** Whether the index is written to the store, as for a store that outlives the process. */
  readonly keeps?: boolean;
  /** Milliseconds since the epoch at which the fixture's clock begins. */
  readonly now?: number;
}

export async function openIndexFixture(options: FixtureOptions = {}): Promise<IndexFixture> {
  const store = options.store ?? openMemory();
  const clock = manualClock(options.now ?? Date.UTC(2026, 10, 21, 12));
  const indexSizes = options.sizes ?? { itemsMin: 0, partitionItemsMin: 1, headRows: 8 };
  const rangesDefault = options.ranges ?? 1;
  const engine = await openEngine({
    store,
    clock,
    entropy: seededEntropy(3),
    rangesDefault,
    indexSizes,
    ...(options.keeps === undefined ? {} : { keepsIndexes: options.keeps }),
  });
  const control = createCosmosControl(engine, {
    open: async () => 1,
    close: () => {},
    url: () => "https://x/",
  });
  const putContainer: IndexFixture["putContainer"] = async (settings = {}) => {
    await store.transact([cosmosLock(account)], async (transaction) => {
      await control.putContainer(transaction, account, database, {
        id: "items",
        partitionKey: { paths: ["/pk"], kind: "Hash" },
        ...settings,
      });
    });
  };
  if (engine.catalog.find(account) === undefined) {
    await store.transact([cosmosLock(account)], async (transaction) => {
      await control.putAccount(transaction, accountSettings, 1);
      await control.putDatabase(transaction, account, { id: database });
    });
    await putContainer(options.settings);
  }
  const container = (): ContainerRecord => {
    const found = engine.catalog.find(account)?.databases.get(database)?.containers.get("items");
    if (found === undefined) throw new Error("the container is gone");
    return found;
  };
  const write: IndexFixture["write"] = async (itemWrite, partition) => {
    const { partitionKey } = container();
    const logical = placePartition(extractPartitionKey(partition, partitionKey), partitionKey);
    await commitTo(engine, account, container(), logical, (commit) => applyWrite(commit, logical, itemWrite));
  };
  const items: IndexFixture["items"] = async (keep = () => true) => {
    const all = await scanContainer(store, container(), 0, Number.MAX_SAFE_INTEGER);
    const living = all.filter((item) => !isExpired(item, container(), seconds(clock)) && keep(item));
    return living.map((item) => JSON.parse(item.json.toString("utf8")) as Value);
  };
  const page: IndexFixture["page"] = async (text, queryOptions = {}) =>
    pageOf(await queryItems(queryContext(engine, container(), text, queryOptions)));
  return {
    store,
    engine,
    clock,
    putContainer,
    container,
    write,
    items,
    page,
    async deleteContainer() {
      await store.transact([cosmosLock(account)], async (transaction) => {
        await control.deleteContainer(transaction, account, database, "items");
      });
    },
    put: (body) => write({ kind: "upsert", body }, body),
    remove: (id, partition) => write({ kind: "delete", id }, partition),
    async rows(text, queryOptions) {
      const rows: Value[] = [];
      let continuation: string | undefined;
      do {
        const found = await page(text, { ...queryOptions, continuation });
        rows.push(...found.rows);
        continuation = found.continuation;
      } while (continuation !== undefined);
      return rows;
    },
    async scanned(text, { parameters = [], keep } = {}) {
      const prepared = prepareQuery(text, parameters, { now: clock.now, random: () => 0.25 });
      return runAll(prepared, await items(keep));
    },
  };
}

const accountSettings = {
  name: account,
  resourceId: "/subscriptions/s/resourceGroups/g/providers/Microsoft.DocumentDB/databaseAccounts/acct",
  tenantId: "t",
  location: "West Europe",
  disableLocalAuth: false,
  disableKeyBasedMetadataWriteAccess: false,
  defaultConsistencyLevel: "Session",
  serverless: true,
} as const;

function queryContext(
  engine: Engine,
  container: ContainerRecord,
  text: string,
  { parameters = [], pageSize, headers = {}, continuation }: QueryOptions,
): OperationContext {
  const view = engine.catalog.find(account);
  const found = view?.databases.get(database);
  if (view === undefined || found === undefined) throw new Error("the account is gone");
  return {
    engine,
    account: view,
    database: found,
    container,
    address: { kind: "items", database, container: "items" } as unknown as OperationContext["address"],
    headers: {
      "x-ms-documentdb-query-enablecrosspartition": "true",
      "x-ms-documentdb-populatequerymetrics": "true",
      ...(pageSize === undefined ? {} : { "x-ms-max-item-count": String(pageSize) }),
      ...(continuation === undefined ? {} : { "x-ms-continuation": continuation }),
      ...headers,
    },
    body: Buffer.from(JSON.stringify({ query: text, parameters })),
    origin: "https://x",
    batch: () => [],
  };
}

function pageOf(result: OperationResult): QueryPage {
  const body = JSON.parse(String(result.body)) as { Documents: Value[] };
  const headers = result.headers ?? {};
  const metrics = headers["x-ms-documentdb-query-metrics"] ?? "";
  return {
    rows: body.Documents,
    continuation: headers["x-ms-continuation"],
    headers,
    loaded: Number(/retrievedDocumentCount=(\d+)/.exec(metrics)?.[1]),
  };
}

import { openMemory } from "../../src/storage/memory.ts";
import { describeStoreLaws } from "./laws.ts";

describeStoreLaws("memory", async () => {
  const store = openMemory();
  return { store, destroy: () => store.close() };
});

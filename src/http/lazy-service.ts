/** A service that is loaded with its first request, so that a start does not wait for what not every run needs. */
import type { Service } from "./service.ts";

/** The service that `load` resolves to; `load` is called once, by the first request, and later ones share its failure. */
export function lazyService(load: () => Promise<Service>): Service {
  let loading: Promise<Service> | undefined;
  return async (request) => {
    loading ??= load();
    return (await loading)(request);
  };
}

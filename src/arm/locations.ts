/** Azure regions: data, and the two spellings of one region (`westeurope`, `West Europe`). */

export interface Location {
  readonly name: string;
  readonly displayName: string;
  readonly geography: string;
}

function region(displayName: string, geography: string): Location {
  return { name: displayName.replaceAll(" ", "").toLowerCase(), displayName, geography };
}

export const locations: readonly Location[] = [
  region("East US", "US"),
  region("East US 2", "US"),
  region("Central US", "US"),
  region("North Central US", "US"),
  region("South Central US", "US"),
  region("West Central US", "US"),
  region("West US", "US"),
  region("West US 2", "US"),
  region("West US 3", "US"),
  region("Canada Central", "Canada"),
  region("Canada East", "Canada"),
  region("Mexico Central", "Mexico"),
  region("Brazil South", "South America"),
  region("Brazil Southeast", "South America"),
  region("Chile Central", "South America"),
  region("North Europe", "Europe"),
  region("West Europe", "Europe"),
  region("Austria East", "Europe"),
  region("Belgium Central", "Europe"),
  region("France Central", "Europe"),
  region("France South", "Europe"),
  region("Germany North", "Europe"),
  region("Germany West Central", "Europe"),
  region("Italy North", "Europe"),
  region("Norway East", "Europe"),
  region("Norway West", "Europe"),
  region("Poland Central", "Europe"),
  region("Spain Central", "Europe"),
  region("Sweden Central", "Europe"),
  region("Switzerland North", "Europe"),
  region("Switzerland West", "Europe"),
  region("UK South", "UK"),
  region("UK West", "UK"),
  region("Israel Central", "Middle East"),
  region("Qatar Central", "Middle East"),
  region("UAE Central", "Middle East"),
  region("UAE North", "Middle East"),
  region("South Africa North", "Africa"),
  region("South Africa West", "Africa"),
  region("Australia Central", "Asia Pacific"),
  region("Australia East", "Asia Pacific"),
  region("Australia Southeast", "Asia Pacific"),
  region("Central India", "Asia Pacific"),
  region("South India", "Asia Pacific"),
  region("West India", "Asia Pacific"),
  region("East Asia", "Asia Pacific"),
  region("Southeast Asia", "Asia Pacific"),
  region("Indonesia Central", "Asia Pacific"),
  region("Japan East", "Asia Pacific"),
  region("Japan West", "Asia Pacific"),
  region("Korea Central", "Asia Pacific"),
  region("Korea South", "Asia Pacific"),
  region("Malaysia West", "Asia Pacific"),
  region("New Zealand North", "Asia Pacific"),
];

const byName: ReadonlyMap<string, Location> = new Map(locations.map((location) => [location.name, location]));

/** The region under either spelling, or `undefined`. */
export function findLocation(text: string): Location | undefined {
  return byName.get(text.replaceAll(" ", "").toLowerCase());
}

/** `westeurope` for every spelling of a known region; other text as it is. */
export function normalizeLocation(text: string): string {
  return findLocation(text)?.name ?? text;
}

/** `West Europe` for every spelling of a known region; other text as it is. */
export function displayLocation(text: string): string {
  return findLocation(text)?.displayName ?? text;
}

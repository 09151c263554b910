/** Texts of what is wrong with types and values; see `diagnostics.ts`. */

export const typeTexts = {
  BCP033: 'A value of type "{0}" is expected, but this is of type "{1}".',
} as const;

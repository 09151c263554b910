/** Texts of what is wrong with names, declarations and their places; see `diagnostics.ts`. */

export const useTexts = {
  BCP032: "The value must be known when the file is compiled.",
} as const;

/** The version of the language's reference compiler that this one follows; tools read it from `--version`. */
export const compilerVersion = "0.36.1";

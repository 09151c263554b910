/** Wildcard matching of action strings, shared by Azure RBAC and Cosmos data roles. */

/**
 * True when `pattern` matches `action`: `*` stands for any run of characters, slashes included, and letter case is
 * ignored (Azure RBAC, "actions"; built-in definitions mix `DocumentDb` and `DocumentDB`). Between two slashes it may
 * also stand for nothing at all, one slash included: Managed Identity Operator performs
 * `userAssignedIdentities/assign/action` by a pattern with a star between the two words. A mismatch resumes at the
 * last `*` only, so a hostile pattern costs at most pattern length times action length.
 */
export function actionMatches(pattern: string, action: string): boolean {
  const p = pattern.toLowerCase();
  const a = action.toLowerCase();
  let pi = 0;
  let ai = 0;
  let star = -1;
  let resume = 0;
  while (ai < a.length) {
    if (p[pi] === "*") {
      star = pi;
      resume = ai;
      pi += p[pi - 1] === "/" && p[pi + 1] === "/" ? 2 : 1;
    } else if (pi < p.length && p[pi] === a[ai]) {
      pi++;
      ai++;
    } else if (star >= 0) {
      pi = star + 1;
      ai = ++resume;
    } else {
      return false;
    }
  }
  while (p[pi] === "*") pi++;
  return pi === p.length;
}

/** The error of the binary formats: apart from them because whoever reads a body catches one class, whatever it was. */

/** A body in a binary format that does not follow its layout; `message` says where. Becomes a 400. */
export class MalformedBody extends Error {
  override readonly name = "MalformedBody";
}

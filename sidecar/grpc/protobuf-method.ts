// The codec of a generated method, for serve-local.ts. Loads the protobuf library: import it only where that is there
// anyway or is worth its memory.

import {
  create,
  type DescMessage,
  type DescMethod,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import type { LocalCodec } from "./serve-local.ts";

type CodecOf<M extends DescMethod> = LocalCodec<
  M["methodKind"],
  MessageShape<M["input"]>,
  MessageInitShape<M["output"]>
>;

export function protobufMethod<M extends DescMethod>(method: M): CodecOf<M> {
  const input: DescMessage = method.input;
  const output: DescMessage = method.output;
  return {
    methodKind: method.methodKind,
    decode: (bytes) => fromBinary(input, bytes) as MessageShape<M["input"]>,
    encode: (message) => toBinary(output, create(output, message as MessageInitShape<DescMessage>)),
  };
}

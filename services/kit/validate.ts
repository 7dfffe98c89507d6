// Validation of requests by the rules in the proto files (buf.validate). Called once for each request message by
// run-handler.ts. certainly-valid.ts passes what keeps the plain rules (0.2 us); everything else is judged by
// protovalidate, which is loaded when it is first needed. Guarantees: a refusal names each field and the rule it broke.

import type { DescMessage, Message } from "@bufbuild/protobuf";
import { pathToString } from "@bufbuild/protobuf/reflect";
import type { Validator } from "@bufbuild/protovalidate";
import { certainlyValid } from "./certainly-valid.ts";
import { type Refusal, refuseFields } from "./refusal.ts";

/** Undefined, at once or later: the message keeps its rules. */
export type Validate = (schema: DescMessage, message: Message) => undefined | Promise<Refusal | undefined>;

export function createValidate(): Validate {
  const isCertain = certainlyValid();
  let loading: Promise<Validator> | undefined;
  return function validate(schema, message) {
    if (isCertain(schema, message)) return undefined;
    loading ??= import("@bufbuild/protovalidate").then(({ createValidator }) => createValidator());
    return loading.then((validator) => judge(validator, schema, message));
  };
}

/** protovalidate's verdict. Throws when a rule itself is wrong: that is a bug of ours. */
export function judge(validator: Validator, schema: DescMessage, message: Message): Refusal | undefined {
  const result = validator.validate(schema, message);
  if (result.kind === "valid") return undefined;
  if (result.kind === "error") throw result.error;
  return refuseFields(
    result.violations.map((violation) => ({
      field: pathToString(violation.field),
      description: violation.message,
      reason: violation.ruleId.toUpperCase().replaceAll(".", "_"),
    })),
  );
}

// The quick half of validation: compiles the plain rules of buf.validate into one function per message type that says
// "certainly valid" or "ask". Called by validate.ts, which asks protovalidate for the second. Loading protovalidate
// costs 130 ms and 15-30 MB, so a process whose callers keep the rules never loads it.
// Guarantees: never calls a message valid that protovalidate would not; whatever is not understood here is "ask".

import { type DescField, type DescMessage, getOption, hasOption, isFieldSet, type Message } from "@bufbuild/protobuf";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";
import {
  type FieldRules,
  FieldRulesSchema,
  field as fieldRules,
  message as messageRules,
  oneof as oneofRules,
} from "../../gen/buf/validate/validate_pb.ts";

/** True: the value keeps every rule. False: ask. */
type Check = (value: unknown) => boolean;

const always: Check = () => true;
const ask: Check = () => false;

/** Makes the function that judges messages; it compiles each type once, on first sight. */
export function certainlyValid(): (schema: DescMessage, message: Message) => boolean {
  const compiled = new Map<string, Check>();
  return (schema, message) => checkOf(schema, compiled)(message);
}

function checkOf(schema: DescMessage, compiled: Map<string, Check>): Check {
  const known = compiled.get(schema.typeName);
  if (known !== undefined) return known;
  // A type that contains itself finds this entry while it is being compiled.
  compiled.set(schema.typeName, (message) => check(message));
  const check = compileMessage(schema, compiled);
  compiled.set(schema.typeName, check);
  return check;
}

function compileMessage(schema: DescMessage, compiled: Map<string, Check>): Check {
  if (hasOption(schema, messageRules) || schema.oneofs.some((one) => hasOption(one, oneofRules))) return ask;
  const checks: [string, Check][] = [];
  for (const field of schema.fields) {
    const check = compileField(field, compiled);
    if (check === always) continue;
    if (check === ask || field.oneof !== undefined) return ask;
    checks.push([field.localName, check]);
  }
  if (checks.length === 0) return always;
  return (message) => {
    const values = message as Record<string, unknown>;
    for (const [name, check] of checks) if (!check(values[name])) return false;
    return true;
  };
}

function compileField(field: DescField, compiled: Map<string, Check>): Check {
  const rules = hasOption(field, fieldRules) ? compileRules(field, getOption(field, fieldRules)) : always;
  const nested = field.message === undefined ? always : checkOf(field.message, compiled);
  if (nested === always || rules === ask) return rules;
  if (field.fieldKind === "map") return ask;
  const inside: Check =
    field.fieldKind === "list"
      ? (list) => (list as unknown[]).every(nested)
      : (message) => message === undefined || nested(message);
  return rules === always ? inside : (value) => rules(value) && inside(value);
}

function compileRules(field: DescField, all: FieldRules): Check {
  // Of the rules that stand beside the typed ones (cel, required, ignore, …) none is understood here.
  const typed = all.type;
  if (typed.case === undefined || FieldRulesSchema.fields.some((rule) => !rule.oneof && isFieldSet(all, rule)))
    return ask;
  const typedField = FieldRulesSchema.fields.find((rule) => rule.localName === typed.case);
  const rules = typedField?.message === undefined ? undefined : setRules(typed.value, typedField.message);
  const understood = plainRules[typed.case];
  if (rules === undefined || understood === undefined) return ask;
  if ([...rules.keys()].some((name) => !understood.names.includes(name))) return ask;
  const check = understood.compile((name) => rules.get(name), field);
  // A field that tells "unset" from its default is judged only when it is set.
  return field.presence === FeatureSet_FieldPresence.EXPLICIT ? (value) => value === undefined || check(value) : check;
}

/** The rules that are set, by their names in validate.proto; undefined when some are not known to this build. */
function setRules(rules: Message, schema: DescMessage): Map<string, unknown> | undefined {
  if (rules.$unknown !== undefined && rules.$unknown.length > 0) return undefined;
  const values = rules as unknown as Record<string, unknown>;
  const set = schema.fields.filter((rule) => isFieldSet(rules, rule));
  return new Map(
    set.map((rule) => {
      const value = rule.oneof === undefined ? values[rule.localName] : (values[rule.oneof.localName] as Chosen).value;
      return [rule.name, value];
    }),
  );
}

interface Chosen {
  readonly value: unknown;
}

interface PlainRules {
  /** The rules that `compile` understands; any other that is set means "ask". */
  readonly names: readonly string[];
  readonly compile: (rule: (name: string) => unknown, field: DescField) => Check;
}

const wholeNumber: PlainRules = {
  names: ["gte", "lte"],
  compile(rule) {
    const min = rule("gte") as number | bigint | undefined;
    const max = rule("lte") as number | bigint | undefined;
    if (min !== undefined && max !== undefined && min > max) return ask; // protovalidate reads this as "not between"
    return (value) => {
      const number = value as number | bigint;
      return (min === undefined || number >= min) && (max === undefined || number <= max);
    };
  },
};

const plainRules: Readonly<Record<string, PlainRules>> = {
  int32: wholeNumber,
  int64: wholeNumber,
  string: {
    names: ["min_len", "max_len", "pattern"],
    compile(rule) {
      const min = Number(rule("min_len") ?? 0);
      const max = Number(rule("max_len") ?? Number.MAX_SAFE_INTEGER);
      const pattern = rule("pattern") as string | undefined;
      // Classes and counts mean the same to RE2 and to JavaScript; escapes may not.
      if (pattern !== undefined && /[^\w[\]{},.:^$|()*+-]/.test(pattern)) return ask;
      const regExp = pattern === undefined ? undefined : new RegExp(pattern, "u");
      return (value) => {
        const text = value as string;
        // The rules count code points, `length` counts UTF-16 units: between half of it and all of it are code points.
        return text.length <= max && text.length >= 2 * min - 1 && (regExp === undefined || regExp.test(text));
      };
    },
  },
  repeated: {
    names: ["min_items", "max_items"],
    compile(rule) {
      const min = Number(rule("min_items") ?? 0);
      const max = Number(rule("max_items") ?? Number.MAX_SAFE_INTEGER);
      return (list) => (list as unknown[]).length >= min && (list as unknown[]).length <= max;
    },
  },
  enum: {
    names: ["defined_only"],
    compile(rule, field) {
      const values = field.enum?.value ?? {};
      return rule("defined_only") === true ? (value) => values[value as number] !== undefined : always;
    },
  },
};

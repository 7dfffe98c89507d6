import { expect, test } from "vitest";
import type { Call, EndpointCall, Reply, RoutedCall } from "./call.ts";
import { PendingReply } from "./pending-reply.ts";
import { type Layer, type Service, stack } from "./stack.ts";

const reply = {} as Reply;
const order: string[] = [];

function named<In, Out>(name: string, next: (call: In) => Out): Layer<In, Out> {
  return (service) => (call) => {
    order.push(name);
    return service(next(call));
  };
}

const shed: Layer<Call> = named("shed", (call) => call);
const route: Layer<Call, RoutedCall> = named("route", () => ({}) as RoutedCall);
const retry: Layer<RoutedCall> = named("retry", (routed) => routed);
const balance: Layer<RoutedCall, EndpointCall> = named("balance", () => ({}) as EndpointCall);
const dial: Service<EndpointCall> = () => PendingReply.withReply(reply);

test("a call passes the layers in the order of the list", async () => {
  const service = stack(shed, route, retry, balance, dial);
  expect(await service({} as Call)).toBe(reply);
  expect(order).toEqual(["shed", "route", "retry", "balance"]);
});

test("a wrong order does not compile", () => {
  const wrong = () => {
    // @ts-expect-error retry works on routed calls, so it cannot stand before route
    stack(shed, retry, route, balance, dial);
    // @ts-expect-error nothing has chosen an endpoint
    stack(shed, route, retry, dial);
    // @ts-expect-error a routed call is routed once
    stack(shed, route, route, balance, dial);
  };
  expect(wrong).toBeTypeOf("function");
});

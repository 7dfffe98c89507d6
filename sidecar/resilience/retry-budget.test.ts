import { expect, test } from "vitest";
import { seededRandom } from "../../common/random.ts";
import { defaultBudgetPolicy } from "../routing/policy/budget-policy.ts";
import { defaultCallPolicy } from "../routing/policy/call-policy.ts";
import type { Route } from "../routing/route-table.ts";
import { RetryBudget } from "./retry-budget.ts";
import { RetryBudgets } from "./retry-budgets.ts";

function withdrawAll(budget: RetryBudget, nowMs: number): number {
  let taken = 0;
  while (budget.tryWithdraw(nowMs)) taken++;
  return taken;
}

test("a service that was never called has the burst, then one a second", () => {
  const budget = new RetryBudget(defaultBudgetPolicy, 0);
  expect(withdrawAll(budget, 0)).toBe(3);
  expect(budget.hasOne).toBe(false);
  expect(withdrawAll(budget, 999)).toBe(0);
  expect(withdrawAll(budget, 1_000)).toBe(1);
  expect(withdrawAll(budget, 3_000)).toBe(2);
  expect(withdrawAll(budget, 60_000)).toBe(3);
});

test("a fifth of the calls of the last ten seconds may be tried again, beside the burst", () => {
  const budget = new RetryBudget(defaultBudgetPolicy, 0);
  for (let call = 0; call < 100; call++) budget.deposit(call * 100);
  // Four in a second: two seconds' share of ten calls a second.
  const tries = [9_999, 10_000, 11_000, 12_000, 13_000].map((nowMs) => withdrawAll(budget, nowMs));
  expect(tries[0]).toBe(4 + 3);
  expect(tries.slice(1).reduce((sum, some) => sum + some, 0)).toBeLessThanOrEqual(16);
});

test("the first second of an outage brings two seconds' share of tries and no more", () => {
  const budget = new RetryBudget({ ...defaultBudgetPolicy, floorPerSecond: 0, burst: 0 }, 0);
  for (let call = 0; call < 2_000; call++) budget.deposit(call * 5);
  expect(withdrawAll(budget, 9_999)).toBe(80);
  budget.deposit(10_000);
  expect(withdrawAll(budget, 10_000)).toBeGreaterThan(0);
});

test("what was not used is gone after ten seconds, and so is what was", () => {
  const budget = new RetryBudget({ ...defaultBudgetPolicy, floorPerSecond: 0, burst: 0 }, 0);
  for (let call = 0; call < 100; call++) budget.deposit(500);
  expect(withdrawAll(budget, 500)).toBe(20);
  for (let call = 0; call < 10; call++) budget.deposit(9_500);
  expect(withdrawAll(budget, 9_500)).toBe(2);
  // The calls of second 0 expire together with the tries they paid for.
  expect(withdrawAll(budget, 10_500)).toBe(0);
  for (let call = 0; call < 5; call++) budget.deposit(10_500);
  expect(withdrawAll(budget, 10_500)).toBe(1);
  expect(withdrawAll(budget, 40_000)).toBe(0);
});

test("no traffic makes any ten seconds exceed a fifth, once calls deposit more than the floor", () => {
  const random = seededRandom(11);
  const budget = new RetryBudget(defaultBudgetPolicy, 0);
  const tries: number[] = [];
  const calls: number[] = [];
  let nowMs = 0;
  // 60 s at about 200 calls a second: well for 20 s, down for 10 s, and again.
  while (nowMs < 60_000) {
    nowMs += random() * 10;
    budget.deposit(nowMs);
    calls.push(nowMs);
    const isDown = nowMs % 30_000 > 20_000;
    for (let attempt = 0; isDown && attempt < 2; attempt++) if (budget.tryWithdraw(nowMs)) tries.push(nowMs);
  }
  for (let from = 0; from <= 50_000; from += 1_000) {
    const count = (times: readonly number[]) => times.filter((at) => at >= from && at < from + 10_000).length;
    // Tolerance 2 %: a try is paid for by the ten seconds before it, and the calls come unevenly.
    expect(count(tries)).toBeLessThanOrEqual(1.02 * 0.2 * count(calls) + defaultBudgetPolicy.burst);
  }
  expect(tries.length).toBeGreaterThan(0.19 * calls.filter((at) => at % 30_000 > 20_000).length);
});

test("a service that turns down more than half of its tries of two seconds gets no retries but the reserve's", () => {
  const budget = new RetryBudget(defaultBudgetPolicy, 0);
  for (let call = 0; call < 100; call++) budget.deposit(500);
  for (let refusal = 0; refusal < 50; refusal++) budget.noteRefusal(600);
  expect(budget.tryWithdraw(600)).toBe(true);
  budget.noteRefusal(600);
  budget.noteRefusal(600);
  expect(withdrawAll(budget, 700)).toBe(3);
  expect(budget.hasOne).toBe(false);
  // Two seconds later that is old, and the calls of ten seconds count again.
  expect(withdrawAll(budget, 2_000)).toBe(4);
});

test("a few refusals are bad luck", () => {
  const budget = new RetryBudget({ ...defaultBudgetPolicy, percent: 100, burst: 0, floorPerSecond: 0 }, 0);
  for (let call = 0; call < 9; call++) {
    budget.deposit(0);
    budget.noteRefusal(0);
  }
  expect(budget.tryWithdraw(0)).toBe(true);
});

test("time that goes back a little changes nothing", () => {
  const budget = new RetryBudget(defaultBudgetPolicy, 5_000);
  expect(withdrawAll(budget, 5_000)).toBe(3);
  budget.deposit(3_900);
  expect(budget.tryWithdraw(4_000)).toBe(false);
});

function routeTo(service: string, percent = 20): Route {
  const budget = { percent, floorPerSecond: 0, burst: 0 };
  return { service, policy: { ...defaultCallPolicy, budget } } as Route;
}

test("all routes to a service share its budget, across snapshots; the newest policy counts", () => {
  const budgets = new RetryBudgets();
  const before = budgets.of(routeTo("s"), 0);
  for (let call = 0; call < 10; call++) before.deposit(0);
  expect(withdrawAll(before, 0)).toBe(2);
  const after = budgets.of(routeTo("s", 50), 0);
  expect(after).toBe(before);
  expect(withdrawAll(after, 0)).toBe(3);
  expect(budgets.of(routeTo("other"), 0)).not.toBe(before);
});

test("services that nobody calls any more are forgotten when another one comes", () => {
  const budgets = new RetryBudgets();
  for (let n = 0; n < 1_000; n++) budgets.of(routeTo(`s${n}`), 0);
  const kept = routeTo("kept");
  budgets.of(kept, 0).deposit(100_000);
  budgets.of(routeTo("late"), 100_000);
  expect(budgets.size).toBe(2);
  expect(budgets.of(kept, 100_000)).toBe(budgets.of(routeTo("kept"), 100_000));
});

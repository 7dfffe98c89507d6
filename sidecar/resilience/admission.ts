// Whether calls are let through to an endpoint, for one of its methods or for all of them: the accrual and what it is
// judged by. Owned by EndpointState; only EndpointStates moves it, so that what depends on it is worked out anew.

import { type Accrual, admitted } from "./failure-accrual.ts";
import { SuccessRate } from "./success-rate.ts";

export class Admission {
  /** A method's path; empty: the endpoint as a whole; `other`: all methods that no descriptor knows. */
  readonly method: string;
  readonly rate = new SuccessRate();
  accrual: Accrual = admitted;
  /** The version of all admissions (EndpointStates) at the last change of state: what was sent before is old news. */
  since = 0;

  constructor(method: string) {
    this.method = method;
  }
}

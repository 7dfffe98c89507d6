// ferry.admin.v1.ReadModelService: tells `ferry status` how far this instance's read model is.

import { create } from "@bufbuild/protobuf";
import { GetReadModelResponseSchema, ReadModelService } from "../../gen/ferry/admin/v1/read_model_service_pb.ts";
import { implement, type ServedService } from "../kit/handler.ts";
import { formatPosition } from "../kit/position.ts";
import type { FollowedModel } from "./followed-model.ts";

export function readModelService(model: FollowedModel): ServedService {
  return implement(ReadModelService, {
    async getReadModel() {
      const { name, position, head } = await model.refresh();
      return create(GetReadModelResponseSchema, {
        name,
        position: formatPosition(position),
        head: formatPosition(head),
        lagMs: BigInt(model.lagMs()),
      });
    },
  });
}

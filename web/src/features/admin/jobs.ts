// What administrators ask of the job queues, and do to them.
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { api, unwrap } from "@/api/client";
import type { Schemas } from "@/api/types";

const PAGE = 30;
/** Nobody tells this page of a job that has moved on. */
const REFRESH_MS = 5_000;

export type AdminQueue = Schemas["AdminQueue"];
export type AdminJob = Schemas["AdminJob"];
export type QueueName = Schemas["QueueName"];
export type JobState = Schemas["JobState"];

export const QUEUES = ["main", "webhooks", "files"] as const satisfies readonly QueueName[];
export const STATES = [
  "waiting",
  "scheduled",
  "running",
  "failing",
  "dead",
  "cancelled",
  "done",
] as const satisfies readonly JobState[];

/** As the address of the page has it. */
export type JobFilter = { queue?: QueueName; state?: JobState };

export const queues = () =>
  queryOptions({
    queryKey: ["admin", "queues"],
    queryFn: ({ signal }) => unwrap(api.GET("/api/v1/admin/queues", { signal })),
    refetchInterval: REFRESH_MS,
  });

export const jobs = (filter: JobFilter) =>
  infiniteQueryOptions({
    queryKey: ["admin", "jobs", filter],
    queryFn: ({ pageParam, signal }) => {
      const query = { ...filter, limit: PAGE, cursor: pageParam ?? undefined };
      return unwrap(api.GET("/api/v1/admin/jobs", { params: { query }, signal }));
    },
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor ?? null,
    refetchInterval: REFRESH_MS,
  });

export const pauseQueue = (name: QueueName, reason: string) =>
  unwrap(api.POST("/api/v1/admin/queues/{name}/pause", { params: { path: { name } }, body: { reason } }));

export const resumeQueue = (name: QueueName) =>
  unwrap(api.POST("/api/v1/admin/queues/{name}/resume", { params: { path: { name } } }));

export type JobAct = "retry" | "run" | "cancel";

export const actOnJob = (id: string, act: JobAct) => {
  const call = { params: { path: { id } } };
  if (act === "retry") return unwrap(api.POST("/api/v1/admin/jobs/{id}/retry", call));
  if (act === "run") return unwrap(api.POST("/api/v1/admin/jobs/{id}/run", call));
  return unwrap(api.POST("/api/v1/admin/jobs/{id}/cancel", call));
};

/** What may be done to a job that stands there. The API has the last word. */
export function actsOn(state: JobState): JobAct[] {
  switch (state) {
    case "waiting":
      return ["cancel"];
    case "scheduled":
      return ["run", "cancel"];
    case "failing":
      return ["run", "retry", "cancel"];
    case "dead":
    case "cancelled":
      return ["retry"];
    case "running":
    case "done":
      return [];
  }
}

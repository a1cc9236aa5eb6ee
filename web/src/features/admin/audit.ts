// What administrators ask of the audit log.
import { infiniteQueryOptions } from "@tanstack/react-query";
import { api, unwrap } from "@/api/client";
import type { Schemas } from "@/api/types";

const PAGE = 50;

export type AuditEntry = Schemas["AuditEntry"];
export type AuditAction = Schemas["AuditAction"];
export type AuditEntityType = Schemas["AuditEntityType"];

/** As the address of the page has it; days are those of whoever looks, both included. */
export type AuditFilter = {
  actor?: string;
  action?: string;
  entity_type?: string;
  entity_id?: string;
  since?: string;
  until?: string;
};

/** In the order in which they are offered. The type forbids leaving one out. */
const ACTIONS_OFFERED: Record<AuditAction, true> = {
  "user.suspended": true,
  "user.unsuspended": true,
  "role.changed": true,
  "password.changed": true,
  "two_factor.enabled": true,
  "two_factor.disabled": true,
  "two_factor.reset": true,
  "two_factor.codes_renewed": true,
  "two_factor.code_used": true,
  "account.created": true,
  "account.closed": true,
  "account.reopened": true,
  "session.ended": true,
  "api_token.created": true,
  "api_token.revoked": true,
  "sessions.ended": true,
  "stream_key.rotated": true,
  "recording_rules.changed": true,
  "vod.visibility_changed": true,
  "vod.deleted": true,
  "vod.expired": true,
  "category.changed": true,
  "category.deleted": true,
  "report.resolved": true,
  "report.dismissed": true,
  "emote.removed": true,
  "webhook.added": true,
  "webhook.changed": true,
  "webhook.removed": true,
  "webhook.secret_rotated": true,
  "file.completed": true,
  "file.refused": true,
  "file.failed": true,
  "file.visibility_changed": true,
  "file.trashed": true,
  "file.restored": true,
  "file.erased": true,
  "payment.requested": true,
  "payment.submitted": true,
  "payment.asked_again": true,
  "payment.approved": true,
  "payment.rejected": true,
  "payment.expired": true,
  "payment.cancelled": true,
  "plan.ended": true,
  "share.created": true,
  "share.changed": true,
  "share.revoked": true,
  "queue.paused": true,
  "queue.resumed": true,
  "job.retried": true,
  "job.run": true,
  "job.cancelled": true,
  "stream.cut": true,
  "stream_key.blocked": true,
};
const TYPES_OFFERED: Record<AuditEntityType, true> = {
  user: true,
  session: true,
  channel: true,
  vod: true,
  category: true,
  report: true,
  emote: true,
  webhook: true,
  file: true,
  payment: true,
  share_link: true,
  api_token: true,
  queue: true,
  job: true,
  stream: true,
};
export const ACTIONS = Object.keys(ACTIONS_OFFERED) as AuditAction[];
export const ENTITY_TYPES = Object.keys(TYPES_OFFERED) as AuditEntityType[];

/** A day's first moment where this browser is, or that of a later day. Nothing for what is no day. */
export function dayStart(day: string | undefined, daysLater = 0): string | undefined {
  const parts = /^(\d{4})-(\d{2})-(\d{2})$/.exec(day ?? "");
  if (!parts) return undefined;
  const at = new Date(Number(parts[1]), Number(parts[2]) - 1, Number(parts[3]) + daysLater);
  return Number.isNaN(at.getTime()) ? undefined : at.toISOString();
}

/** What the API is asked. Words it does not know are left out: it would refuse the whole question. */
export function question(filter: AuditFilter) {
  const { actor, entity_id } = filter;
  return {
    actor,
    action: ACTIONS.find((one) => one === filter.action),
    entity_type: ENTITY_TYPES.find((one) => one === filter.entity_type),
    entity_id,
    since: dayStart(filter.since),
    until: dayStart(filter.until, 1),
  };
}

export const auditLog = (filter: AuditFilter) =>
  infiniteQueryOptions({
    queryKey: ["admin", "audit", filter],
    queryFn: ({ pageParam, signal }) => {
      const query = { ...question(filter), limit: PAGE, cursor: pageParam ?? undefined };
      return unwrap(api.GET("/api/v1/admin/audit", { params: { query }, signal }));
    },
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor ?? null,
  });

export const auditCsv = (filter: AuditFilter): Promise<string> =>
  unwrap(api.GET("/api/v1/admin/audit.csv", { params: { query: question(filter) }, parseAs: "text" }));
